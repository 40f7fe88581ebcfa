-- The gateway's decisions: who asks, for what, and which replica gets it. Nginx does the rest.
--
-- What it decides by is data: fleet.json (from the plan) and keys.json lie beside this file, and are
-- read again when the local socket is told so. What it knows lives in memory that Nginx's workers
-- share, so it outlives a reload; what must outlive a restart is written to the state folder.
--
-- In the order of the file: an outline of JSON, data, counts, refusals, who asks, for what, which
-- replica, overflow, waiting, a request's way, answers and usage, the health of replicas, turns, routers,
-- watchdogs, connections to servers that are gone, the local socket.

local balancer = require "ngx.balancer"
local cjson = require "cjson.safe"
local ffi = require "ffi"
local semaphore = require "ngx.semaphore"

local ngx, C = ngx, ffi.C
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local find, sub, format, concat = string.find, string.sub, string.format, table.concat

ffi.cdef [[
size_t strcspn(const char *text, const char *reject);
unsigned char *SHA256(const unsigned char *text, size_t length, unsigned char *digest);
int getpeername(int socket, void *address, uint32_t *size);
int getsockopt(int socket, int level, int option, void *value, uint32_t *size);
int setsockopt(int socket, int level, int option, const void *value, uint32_t size);
int shutdown(int socket, int how);
int inet_pton(int family, const char *text, void *address);
]]

-- Machine code of ever rarer ways through this file would add up for hours, to some 10 MB a worker;
-- at so many pieces all of them are thrown away, and what is used is compiled again in a moment.
jit.opt.start("maxtrace=1000")

local M = {}
local folder, state_folder, trusted_secrets
local live = ngx.shared.rackwright_live          -- counts, drains, turns, weights, ejections
local clients = ngx.shared.rackwright_clients    -- limits of clients, by minute
local prefixes = ngx.shared.rackwright_prefixes  -- the start of a prompt -> the replica that has it
local texts = ngx.shared.rackwright_texts        -- fleet.json, keys.json, secrets.json, as they were read last
local usage = ngx.shared.rackwright_usage        -- of today, and totals since the start

-- An outline of JSON -------------------------------------------------------------------------------
-- A body may have tens of MiB and only a few of its top-level members matter here, so it is not
-- decoded: strings and nested values are skipped by the C library's search. Whatever a strict
-- parser accepts is outlined as that parser reads it; what only a lenient one would is refused, or
-- refused by the engine.

local after_nested

do  -- what only this section names: Lua has room for 200 names in a file

local MOST_MEMBERS, MOST_DEPTH, STEPS_AT_ONCE = 1000, 512, 200000
local QUOTE, BACKSLASH, COMMA, COLON = 34, 92, 44, 58
local OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET = 123, 125, 91, 93

local function after_space(p, i)
    local c = p[i]
    while c == 32 or c == 10 or c == 13 or c == 9 do
        i = i + 1
        c = p[i]
    end
    return i
end

-- `i` is behind the opening quote; the answer is behind the closing one, or nil.
local function after_string(p, i, size)
    while i < size do
        i = i + tonumber(C.strcspn(p + i, '"\\'))
        local c = p[i]
        if c == QUOTE then return i + 1 end
        if c ~= BACKSLASH then return nil end  -- the end, or a NUL
        i = i + 2
    end
end

function after_nested(p, i, size)
    local depth, steps = 0, 0
    while true do
        i = i + tonumber(C.strcspn(p + i, '"{}[]'))
        if i >= size then return nil end
        local c = p[i]
        i = i + 1
        if c == QUOTE then
            i = after_string(p, i, size)
            if not i then return nil end
        elseif c == OPEN_BRACE or c == OPEN_BRACKET then
            depth = depth + 1
            if depth > MOST_DEPTH then return nil, "nested too deeply" end
        elseif c == CLOSE_BRACE or c == CLOSE_BRACKET then
            depth = depth - 1
            if depth == 0 then return i end
        else
            return nil
        end
        steps = steps + 1
        if steps % STEPS_AT_ONCE == 0 then ngx.sleep(0) end  -- others have their turn
    end
end

local function after_value(p, i, size)
    local c = p[i]
    if c == QUOTE then return after_string(p, i + 1, size) end
    if c == OPEN_BRACE or c == OPEN_BRACKET then return after_nested(p, i, size) end
    local stop = i + tonumber(C.strcspn(p + i, ',]}[{": \t\r\n'))
    return stop > i and stop <= size and stop or nil
end

-- The top-level members of an object that `wanted` names: name -> {from, to}, both of the value and
-- as `sub` takes them. Without an object, or with one of the members twice: nil, code, why.
function M.outline(body, wanted)
    local p, size = ffi.cast("const char *", body), #body
    local i = after_space(p, 0)
    if p[i] ~= OPEN_BRACE then return nil, "invalid_json", "the body is no JSON object" end
    local members, count = {start = i + 1}, 0
    i = after_space(p, i + 1)
    while p[i] ~= CLOSE_BRACE or count > 0 do
        if p[i] ~= QUOTE then return nil, "invalid_json", "a member has no name" end
        local name_from = i + 1
        i = after_string(p, name_from, size)
        if not i then return nil, "invalid_json", "a name has no end" end
        local name = sub(body, name_from + 1, i - 1)
        if find(name, "\\", 1, true) then name = cjson.decode('"' .. name .. '"') end
        i = after_space(p, i)
        if p[i] ~= COLON then return nil, "invalid_json", "a member has no value" end
        local from, why = after_space(p, i + 1), nil
        i, why = after_value(p, from, size)
        if not i then return nil, "invalid_json", why or "a value has no end" end
        if wanted[name] then
            if members[name] then return nil, "duplicate_key", name .. " stands twice" end
            members[name] = {from + 1, i}
        elseif wanted[name and name:lower()] then  -- some engines do not mind the case
            return nil, "duplicate_key", name:lower() .. " is written in small letters"
        end
        count = count + 1
        if count > MOST_MEMBERS then return nil, "invalid_json", "the body has too many members" end
        i = after_space(p, i)
        if p[i] == CLOSE_BRACE then break end
        if p[i] ~= COMMA then return nil, "invalid_json", "a comma is missing" end
        i = after_space(p, i + 1)
    end
    if after_space(p, i + 1) ~= size then return nil, "invalid_json", "something follows the object" end
    return members
end

-- The boundary of a form, or nil: engines differ in how they read what is more than it.
local function boundary_of(content_type)
    local kind, rest = (content_type or ""):match("^%s*([^;%s]+)%s*(.*)$")
    if not kind or kind:lower() ~= "multipart/form-data" then return nil end
    local boundary
    while rest ~= "" do
        local name, value, more = rest:match('^;%s*(%w+)="([^"\\]*)"%s*(.*)$')
        if not name then name, value, more = rest:match('^;%s*(%w+)=([^%s;"\\]+)%s*(.*)$') end
        name = name and name:lower()
        if name == "boundary" and not boundary then boundary = value
        elseif name ~= "charset" or value:lower() ~= "utf-8" then return nil end
        rest = more
    end
    return boundary and #boundary >= 1 and #boundary <= 70 and boundary or nil
end

-- The value of a part of a multipart form, as {from, to}: name -> place, for the names wanted. `start` is
-- where its first part begins, behind the `line` of its boundary.
function M.form_outline(body, content_type, wanted)
    local boundary = boundary_of(content_type)
    if not boundary then return nil, "invalid_form", "the form has no plain boundary" end
    local line = "--" .. boundary
    if sub(body, 1, #line + 2) ~= line .. "\r\n" then
        return nil, "invalid_form", "the form does not begin with its boundary"
    end
    local parts, at = {start = #line + 2, line = line}, #line + 3
    for _ = 1, MOST_MEMBERS do
        local head_end = find(body, "\r\n\r\n", at, true)
        local next_line = find(body, "\r\n" .. line, at, true)
        if not head_end or not next_line or head_end > next_line then
            return nil, "invalid_form", "a part of the form has no end"
        end
        local head = "\r\n" .. sub(body, at, head_end - 1)
        local names = select(2, head:lower():gsub("[;%s]name[%s%*=]", ""))
        local name = head:lower():find("\r\ncontent%-disposition:%s*form%-data%s*;")
            and head:match('[;%s][nN][aA][mM][eE]="([^"\\]*)"')
        if not name or names ~= 1 then return nil, "invalid_form", "a part has no plain name" end
        if wanted[name] then
            if parts[name] then return nil, "duplicate_key", name .. " stands twice" end
            parts[name] = {head_end + 4, next_line - 1}
        end
        at = next_line + 2 + #line
        local follows = sub(body, at, at + 1)
        if follows == "--" and find(body, "^\r?\n?$", at + 2) then return parts end
        if follows ~= "\r\n" then return nil, "invalid_form", "a boundary has no end" end
        at = at + 2
    end
    return nil, "invalid_form", "the form has too many parts"
end

end

-- Data ---------------------------------------------------------------------------------------------

local data = {}       -- of this worker: what the two files say, with indexes
local known_version   -- what `live` said when the data, drains and weights were read last

local function sha256_hex(text)
    local digest = ffi.new("unsigned char[32]")
    C.SHA256(text, #text, digest)
    return (ffi.string(digest, 32):gsub(".", function(c) return format("%02x", c:byte()) end))
end

local function read_file(path)
    local file, why = io.open(path, "rb")
    if not file then return nil, why end
    local text = file:read("*a")
    file:close()
    return text
end

local function list(value) return type(value) == "table" and value or {} end
local function given(value) return value ~= nil and value ~= cjson.null and value or nil end
local function number(value) return type(value) == "number" and value >= 0 and floor(value) or nil end

local function parsed(name, text, optional)
    if text == "" and optional then return {}, "" end
    local value = cjson.decode(text)
    if type(value) ~= "table" then return nil, name .. ": is no JSON" end
    if value.format ~= 1 then return nil, name .. ": is of another version of Rackwright" end
    return value, sha256_hex(text)
end

-- Every name that clients may ask for: name -> {service, the name its engine has}.
local function names_of(services)
    local names = {}
    for service_name, service in pairs(services) do
        names[service.model] = {service, service.model}
        for _, alias in ipairs(list(service.aliases)) do names[alias] = {service, service.model} end
        for _, adapter in ipairs(list(service.adapters)) do names[adapter] = {service, adapter} end
    end
    return names
end

local function prepared(fleet, fleet_hash, keys, keys_hash)
    local new = {fleet = fleet, fleet_hash = fleet_hash, keys = {}, keys_hash = keys_hash,
                 keys_count = 0, services = list(fleet.services), hosts = list(fleet.hosts),
                 replicas = {}, origins = {}}
    for name, service in pairs(new.services) do
        service.name, service.answers = name, {}
        service.overflow, service.queue = given(service.overflow), given(service.queue)
        for _, path in ipairs(service.paths) do service.answers[path] = true end
        service.behind, service.all = list(service.behind), {}
        for _, replica in ipairs(service.replicas) do replica.peers = service.replicas end
        for _, replica in ipairs(service.behind) do
            replica.peers, replica.router = service.behind, service.replicas[1]
        end
        for _, replicas in ipairs({service.replicas, service.behind}) do
            for _, replica in ipairs(replicas) do
                replica.service, replica.served, replica.served_key = service, 0, "served:" .. replica.name
                replica.planned_weight = replica.weight
                replica.peer = replica.host:match("^[^%[].*:") and "[" .. replica.host .. "]" or replica.host
                new.replicas[replica.name] = replica
                table.insert(service.all, replica)
            end
        end
        for _, origin in ipairs(list(service.origins)) do new.origins[origin] = true end
        new.only = new.only == nil and service or false
    end
    new.names = names_of(new.services)
    new.default = given(fleet.default) and new.services[fleet.default] or new.only or nil
    for _, key in ipairs(list(keys.keys)) do
        for field, value in pairs(key) do key[field] = given(value) end
        if key.models then
            local allowed = {}
            for _, model in ipairs(key.models) do allowed[model] = true end
            key.models = allowed
        end
        new.keys[key.sha256] = key
        new.keys_count = new.keys_count + 1
    end
    return new
end

-- What the two texts say, or nil and what is wrong with one of them.
local function understood(fleet_text, keys_text)
    local fleet, fleet_hash = parsed("fleet.json", fleet_text)
    if not fleet then return nil, fleet_hash end
    local keys, keys_hash = parsed("keys.json", keys_text, true)
    if not keys then return nil, keys_hash end
    local done, new = pcall(prepared, fleet, fleet_hash, keys, keys_hash)
    if not done then return nil, "fleet.json or keys.json: " .. tostring(new) end
    return new
end

-- Reads both files for all workers: they take the same texts from here, whatever becomes of the files.
local function read_data()
    local fleet_text, why = read_file(folder .. "/fleet.json")
    local keys_text = read_file(folder .. "/keys.json") or ""
    if not fleet_text then return nil, why end
    local new, wrong = understood(fleet_text, keys_text)
    if not new then return nil, wrong end
    for name, text in pairs({fleet = fleet_text, keys = keys_text}) do
        local kept, full = texts:set(name, text)
        if not kept then return nil, name .. ".json: " .. full end
    end
    new.loads = live:incr("loads", 1, 0)
    return new
end

-- What is known of a replica beside the plan: why it is drained or ejected, its turn as JSON, until
-- when it is awaited, its weight, since when all that is so, and its server's quarantine in words. It
-- outlives a restart.
local KNOWN = {"drained", "ejected", "turn", "awaited", "weight", "since", "quarantine"}

local function know(name, field, value)
    if value == nil then live:delete(field .. ":" .. name) else live:set(field .. ":" .. name, value) end
end

-- Whether the router of a replica, where there is one, sends to it, as far as is known.
local function is_listed(replica)
    return not replica.router or live:get("listed:" .. replica.name) ~= false
end

-- A router takes what those that it sends to do. Where there is none it gets nothing: requests wait here.
local function take_slots_of_router(service)
    local router, slots = service.replicas[1], 0
    for _, replica in ipairs(service.behind) do
        if replica.usable and is_listed(replica) then slots = slots + replica.slots end
    end
    router.slots, router.usable = slots, router.usable and slots > 0
end

-- What was set by the socket or found out about replicas goes over what the plan says of them.
local function take_state()
    for _, service in pairs(data.services) do service.hold_s = 0 end
    for name, replica in pairs(data.replicas) do
        for _, field in ipairs(KNOWN) do replica[field] = live:get(field .. ":" .. name) end
        replica.turn = replica.turn and cjson.decode(replica.turn)
        replica.usable = not replica.drained and not replica.ejected and not replica.turn
        replica.weight = replica.weight or replica.planned_weight
        if replica.turn then replica.service.hold_s = max(replica.service.hold_s, replica.turn.hold_s) end
    end
    for _, service in pairs(data.services) do
        if service.behind[1] then take_slots_of_router(service) end
    end
end

-- What lets into engines and outside APIs. Only the master may read its file: it leaves the text to
-- workers in memory, also to those of before a reload, who have requests that wait.
local function take_secrets()
    local secrets = cjson.decode(texts:get("secrets") or "") or {}
    trusted_secrets = {engine = given(secrets.engine), engine_keys = list(given(secrets.engine_keys)),
                       overflow = list(given(secrets.overflow))}
    local known = {}
    for id in pairs(trusted_secrets.engine_keys) do known[#known + 1] = id end
    table.sort(known)
    trusted_secrets.known = concat(known, " ")
end

local function refresh()
    local version = live:get("version")
    if version == known_version then return end
    local loads = live:get("loads")
    if data.loads ~= loads then
        data = understood(texts:get("fleet"), texts:get("keys"))
        data.loads = loads
    end
    take_secrets()
    known_version = version
    take_state()
end

local function changed() live:incr("version", 1, 0) end

-- Counts -------------------------------------------------------------------------------------------
-- Of what is in flight. All workers share a count; each also knows its own part, so that what a
-- worker held that was killed can be given back.

local totals_of, parts_of = {}, {}  -- name -> key, so that none is put together twice

local function count(name, by)
    local total, part = totals_of[name], parts_of[name]
    if not part then
        total, part = "count:" .. name, "part:" .. ngx.worker.pid() .. ":" .. name
        totals_of[name], parts_of[name] = total, part
    end
    live:incr(part, by, 0)
    return live:incr(total, by, 0)
end

local function counted(name) return live:get(totals_of[name] or "count:" .. name) or 0 end

local function give_back_of_the_dead()
    for _, key in ipairs(live:get_keys(0)) do
        local pid, name = key:match("^part:(%d+):(.+)$")
        local slot, holder = key:match("^(slot:%d+)$"), nil
        if slot then holder = live:get(slot) end
        local owner = pid or holder
        if owner and not (read_file("/proc/" .. owner .. "/cmdline") or ""):find("nginx", 1, true) then
            if pid then live:incr("count:" .. name, -(live:get(key) or 0), 0) end
            live:delete(key)
        end
    end
end

-- What an operator must read. A line that is written in a request has its line and query beside it, so
-- it is left for a timer to write.
local function notice(...)
    live:rpush("notices", concat({...}))
end

local function write_notices()
    for _ = 1, 100 do
        local text = live:lpop("notices")
        if not text then return end
        ngx.log(ngx.CRIT, "rackwright: ", text)
    end
end

local function write_file(path, text)
    local partial = format("%s.%d", path, ngx.worker.pid())
    local file, why = io.open(partial, "wb")
    if not file then return notice(why) end
    local written = file:write(text)
    if not file:close() or not written then return notice("cannot write ", path) end
    os.rename(partial, path)
end

local function save_state()
    local kept = {}
    for name in pairs(data.replicas) do
        local one = {}
        for _, field in ipairs(KNOWN) do one[field] = live:get(field .. ":" .. name) end
        if next(one) then kept[name] = one end
    end
    write_file(state_folder .. "/state.json", (cjson.encode({replicas = kept})))
end

local function restore_state()
    local kept = cjson.decode(read_file(state_folder .. "/state.json") or "")
    for name, one in pairs(type(kept) == "table" and list(kept.replicas) or {}) do
        for _, field in ipairs(KNOWN) do know(name, field, list(one)[field]) end
    end
end

local CHANGING_S = 5  -- as long at most does one that was killed keep the others waiting

-- Changes what is known of replicas, one change of all workers at a time: what it looked at still holds
-- then. `run` must not wait for anything, and where this is called waiting must be possible.
local function change(run)
    repeat
        local first, why = live:add("changing", true, CHANGING_S)
        if not first then ngx.sleep(0.002) end
    until first or why ~= "exists"
    refresh()
    local done, result = pcall(run)
    changed()
    refresh()
    save_state()
    live:delete("changing")
    if not done then error(result, 0) end
    return result
end

-- Figures that nobody decides by are added up here first, and shared once a second.
local pending = {}

local function today() return sub(ngx.utctime(), 1, 10) end

local function add(key, by) pending[key] = (pending[key] or 0) + by end

local function share_figures()
    local shared = pending
    pending = {}
    for key, by in pairs(shared) do
        local _, why = usage:incr(key, by, 0)
        if why then notice("usage: ", why) end
    end
    if next(shared) then live:incr("usage_version", 1, 0) end
end

-- Refusals -----------------------------------------------------------------------------------------

local REFUSALS = {
    invalid_json = {400, "the body is not what the path takes"},
    invalid_form = {400, "the form is not what the path takes"},
    duplicate_key = {400, "a member of the body stands twice"},
    model_required = {400, "the request names no model, and there is no default"},
    invalid_api_key = {401, "the API key is missing or not known"},
    key_expired = {401, "the API key has expired"},
    model_not_allowed = {403, "the API key is not for this model"},
    not_found = {404, "not a path of this gateway"},
    model_not_found = {404, "the model is not served here"},
    endpoint_not_supported = {404, "the engine of this model does not answer this path"},
    method_not_allowed = {405, "the path takes another method: see the header Allow"},
    length_required = {411, "the request does not say how long it is"},
    request_too_large = {413, "the request is too large"},
    encoding_not_supported = {415, "the body must not be compressed"},
    rate_limit_exceeded = {429, "the API key's requests of this minute are used up"},
    tokens_limit_exceeded = {429, "the API key's tokens of this minute are used up"},
    in_flight_limit_exceeded = {429, "the API key has as many requests in flight as it may"},
    budget_exceeded = {429, "the API key's tokens of this month are used up"},
    queue_full = {429, "all replicas are busy, and as many requests wait as may"},
    queue_timeout = {429, "all replicas were busy for as long as a request may wait"},
    overflow_exhausted = {429, "no replica can take the request, and the budget for others is used up"},
    no_replica = {503, "no replica can take the request now: it was sent to none of them"},
    replica_refused = {503, "the replica did not take the gateway's key, and did not begin: ask again"},
    replica_lost = {502, "the replica failed after the request had been sent to it: it was not sent again"},
    replica_late = {504, "the replica had the request and did not answer in time: it was not sent again"},
}

-- OpenAI's libraries send whatever ended with 429 or 5xx again, unless they are told not to.
local NOT_AGAIN = {budget_exceeded = true, overflow_exhausted = true, replica_lost = true,
                   replica_late = true}

-- Said by the gateway of a replica that had the request: its name is told.
local BY_REPLICA = {replica_lost = true, replica_late = true, replica_refused = true}

local OPENAI_TYPES = {[401] = "authentication_error", [403] = "permission_error",
                      [429] = "rate_limit_error"}
local ANTHROPIC_TYPES = {[401] = "authentication_error", [403] = "permission_error",
                         [404] = "not_found_error", [413] = "request_too_large",
                         [429] = "rate_limit_error", [503] = "overloaded_error"}

local function is_utf8(text)
    return not find(text, "[\128-\255]") or not select(3, ngx.re.find(text, ".", "jou"))
end

-- Text from outside, as JSON: what is no UTF-8 is not written on.
local function quoted(text)
    text = text or ""
    if not find(text, '[%c"\\\128-\255]') then return '"' .. text .. '"' end
    if not is_utf8(text) then text = text:gsub("[\128-\255]", "?") end
    return (cjson.encode(text):gsub("\\/", "/"))
end

local function error_body(code, status, message, anthropic)
    local text = quoted(message)
    if anthropic then
        local kind = ANTHROPIC_TYPES[status] or status < 500 and "invalid_request_error" or "api_error"
        return format('{"type": "error", "error": {"type": "%s", "message": %s}}\n', kind, text)
    end
    local kind = OPENAI_TYPES[status] or status < 500 and "invalid_request_error" or "server_error"
    return format('{"error": {"message": %s, "type": "%s", "param": null, "code": "%s"}}\n', text, kind, code)
end

local contexts = {}  -- of the requests of this worker: Nginx's own do not outlive its error pages

local function context() return contexts[ngx.var.request_id] or {} end

-- The body of a refusal, whose status and headers are set.
local function refusal(ctx, code, message, headers)
    local status, usual = REFUSALS[code][1], REFUSALS[code][2]
    ctx.code = code
    ngx.status = status
    ngx.header["Content-Type"] = "application/json"
    if status == 401 then ngx.header["WWW-Authenticate"] = "Bearer" end
    if status == 503 then ngx.header["Retry-After"] = 5 end
    if NOT_AGAIN[code] then ngx.header["X-Should-Retry"] = "false" end
    for name, value in pairs(headers or {}) do ngx.header[name] = value end
    local body = error_body(code, status, message or usual, find(ngx.var.uri, "/v1/messages", 1, true))
    ngx.header["Content-Length"] = #body
    return body
end

-- Ends the request. `message`: a sentence instead of the usual one.
local function refuse(code, message, headers)
    ngx.print(refusal(context(), code, message, headers))
    return ngx.exit(ngx.HTTP_OK)
end

-- Who asks -----------------------------------------------------------------------------------------

local NOBODY = {client = "-"}

local function key_of(headers)
    local authorization, other = headers["authorization"], headers["x-api-key"]
    if type(authorization) == "string" then
        local scheme, secret = authorization:match("^(%a+) +(%S+) *$")
        return scheme and scheme:lower() == "bearer" and secret or nil
    end
    return type(other) == "string" and other or nil
end

local function who_asks(ctx)
    if not data.fleet.keys_required then return NOBODY end
    local sent = key_of(ctx.headers)
    local key = sent and #sent <= 256 and data.keys[sha256_hex(sent)]
    if not key then return refuse("invalid_api_key") end
    if key.expires_at and key.expires_at <= ngx.time() then return refuse("key_expired") end
    return key
end

-- What was used in the last sixty seconds: this minute, and of the last one what is not gone by.
local function in_a_minute(kind, client)
    local minute, gone = floor(ngx.now() / 60), ngx.now() % 60
    local this = clients:get(kind .. client .. ":" .. minute) or 0
    local last = clients:get(kind .. client .. ":" .. minute - 1) or 0
    return this + last * (60 - gone) / 60
end

local function use_in_a_minute(kind, client, by)
    clients:incr(kind .. client .. ":" .. floor(ngx.now() / 60), by, 0, 130)
end

local function month_key(client) return "month:" .. sub(today(), 1, 7) .. ":" .. client end

local function keep_limits(ctx)
    local key, client = ctx.key, ctx.key.client
    local later = {["Retry-After"] = max(1, ceil(60 - ngx.now() % 60))}
    if key.tokens_a_month and (usage:get(month_key(client)) or 0) >= key.tokens_a_month then
        return refuse("budget_exceeded")
    end
    if key.tokens_a_minute and in_a_minute("tokens:", client) >= key.tokens_a_minute then
        return refuse("tokens_limit_exceeded", nil, later)
    end
    if key.requests_a_minute then
        if in_a_minute("requests:", client) + 1 > key.requests_a_minute then
            return refuse("rate_limit_exceeded", nil, later)
        end
        use_in_a_minute("requests:", client, 1)
    end
    if key == NOBODY then return end
    ctx.client_counted = true
    if count("client/" .. client, 1) > (key.in_flight or math.huge) then
        return refuse("in_flight_limit_exceeded", nil, {["Retry-After"] = 1})
    end
end

-- For what -----------------------------------------------------------------------------------------

local WANTED = {model = true, stream = true, stream_options = true, prompt_cache_key = true}
local WANTED_OF_FORMS = {model = true, stream = true, stream_include_usage = true}

local function read_body()
    local done, why = pcall(ngx.req.read_body)
    if not done then return refuse("length_required", tostring(why):match("without content") and nil) end
    local body = ngx.req.get_body_data()
    if body then return body end
    local path = ngx.req.get_body_file()
    return path and read_file(path) or ""
end

-- The endpoint of a path, and the service whose name stands before it.
local function endpoint_of(uri)
    local endpoints = data.fleet.endpoints
    if endpoints[uri] then return endpoints[uri], uri end
    local name, rest = uri:match("^/([^/]+)(/.*)$")
    local service = name and data.services[name]
    if service then return endpoints[rest], rest, service end
end

local BOOLEANS = {["true"] = true, ["false"] = true, null = true}
local TRUE = {["true"] = true, ["1"] = true, t = true, y = true, yes = true, on = true}  -- in a form

local function text_at(body, place) return place and sub(body, place[1], place[2]) end

local function outlined(ctx, body)
    local wanted = {}
    local usual = ctx.endpoint.body == "multipart" and WANTED_OF_FORMS or WANTED
    for name in pairs(usual) do wanted[name] = true end
    for _, name in ipairs(ctx.endpoint.prompt) do wanted[name] = true end
    local members, code, why
    if ctx.endpoint.body == "multipart" then
        members, code, why = M.form_outline(body, ctx.headers["content-type"], wanted)
    else
        members, code, why = M.outline(body, wanted)
    end
    if not members then return refuse(code, why) end
    local stream = text_at(body, members.stream)
    if ctx.endpoint.body == "json" and stream and not BOOLEANS[stream] then
        return refuse("invalid_json", "the member stream must be true or false")
    end
    return members
end

local function model_asked(ctx, body, members)
    local text = text_at(body, members.model)
    if not text or text == "null" then return nil end
    if ctx.endpoint.body == "multipart" then return text end
    local model = sub(text, 1, 1) == '"' and #text <= 1024 and cjson.decode(text)
    if type(model) ~= "string" then return refuse("model_required", "the member model must be a name") end
    return model
end

-- Sets ctx.service and ctx.model, what its engine calls it.
local function choose_service(ctx, model)
    local fixed = ctx.service or data.services[data.hosts[ngx.var.host] or ""]
    if not model then
        ctx.service = fixed or data.default
        if not ctx.service then return refuse("model_required") end
        ctx.model, ctx.asked = ctx.service.model, ctx.service.model
        return
    end
    local known = data.names[model]
    if not known or fixed and known[1] ~= fixed then
        return refuse("model_not_found", format("the model %q is not served here", sub(model, 1, 200)))
    end
    ctx.service, ctx.model, ctx.asked = known[1], known[2], model
end

local function may_use(key, service, model)
    local models = key.models
    return not models or models[service.name] or models[model] or models[service.model] or false
end

-- What asks for the usage of a form's stream, as an edit: forms have a part for it instead of options.
local function usage_of_form(members)
    local said = members.stream_include_usage
    if said then return {said[1], said[2], "true"} end
    local head = 'Content-Disposition: form-data; name="stream_include_usage"'
    return {members.start + 1, members.start, head .. "\r\n\r\ntrue\r\n" .. members.line .. "\r\n"}
end

-- The body as the engine gets it: by its own name of the model, and with usage also of streams.
local function edited(ctx, body, members, model)
    local edits = {}
    if ctx.endpoint.body == "multipart" then
        if members.model and model ~= ctx.model then edits[1] = {members.model[1], members.model[2], ctx.model} end
        if ctx.asks_usage and not ctx.outside then edits[#edits + 1] = usage_of_form(members) end
    else
        local insert = ""
        if not members.model then
            insert = format('"model":%s,', cjson.encode(ctx.model))
        elseif model ~= ctx.model then
            edits[1] = {members.model[1], members.model[2], cjson.encode(ctx.model)}
        end
        if ctx.asks_usage then
            local options = members.stream_options
            if options then
                local value = cjson.decode(text_at(body, options))
                value = type(value) == "table" and value or {}
                value.include_usage, value.continuous_usage_stats = true, nil
                edits[#edits + 1] = {options[1], options[2], cjson.encode(value)}
            else
                insert = insert .. '"stream_options":{"include_usage":true},'
            end
        end
        if insert ~= "" then
            if body:match("^%s*}", members.start + 1) then insert = sub(insert, 1, -2) end
            edits[#edits + 1] = {members.start + 1, members.start, insert}
        end
    end
    if #edits == 0 then return body end
    table.sort(edits, function(a, b) return a[1] < b[1] end)
    local pieces, at = {}, 1
    for _, edit in ipairs(edits) do
        pieces[#pieces + 1] = sub(body, at, edit[1] - 1)
        pieces[#pieces + 1] = edit[3]
        at = edit[2] + 1
    end
    pieces[#pieces + 1] = sub(body, at)
    return concat(pieces)
end

-- Whether the gateway must ask for the usage of a stream, and take its event out of it again.
local function must_ask_usage(ctx, body, members)
    local stream = text_at(body, members.stream)
    local form = ctx.endpoint.body == "multipart"
    if not (stream and (stream == "true" or form and TRUE[stream:lower()])) then return false end
    if ctx.service.usage_in_streams ~= "ask" or not ctx.endpoint.usage_option then return false end
    if form then return not TRUE[(text_at(body, members.stream_include_usage) or ""):lower()] end
    local options = cjson.decode(text_at(body, members.stream_options) or "")
    return not (type(options) == "table" and options.include_usage == true)
end

-- Which replica ------------------------------------------------------------------------------------

local FIRST_PIECE, PIECES = 512, 7  -- bytes: 512, 1 KiB, 2 KiB, ... 32 KiB
local SPREAD = 1.25  -- as many times the mean may the busiest hold, however well its cache fits

-- The starts of a prompt, the longest first, each as a key; or a session that the client names.
local function starts_of(ctx, body, members)
    if not ctx.service.sticky then return {} end
    local session = ngx.var.http_x_session_id or text_at(body, members.prompt_cache_key)
    if session then return {ctx.service.name .. ":session:" .. ngx.md5(session)} end
    local starts, size, hash = {}, FIRST_PIECE, ctx.service.name .. ctx.model
    local text = {}
    for _, name in ipairs(ctx.endpoint.prompt) do
        local place = members[name]
        if place then text[#text + 1] = sub(body, place[1], min(place[2], place[1] + FIRST_PIECE * 64)) end
    end
    text = concat(text)
    local at = 1
    for _ = 1, PIECES do
        if #text < size then break end
        hash = ngx.md5_bin(hash .. sub(text, at, size))
        table.insert(starts, 1, hash)
        at, size = size + 1, size * 2
    end
    return starts
end

-- How many of a service are in flight, its weights summed, and the least busy replica with room.
local function survey(service, tried)
    local total, weights, best, best_load = 0, 0, nil, nil
    for _, replica in ipairs(service.replicas) do
        local busy = counted(replica.name)
        replica.busy = busy
        total = total + busy
        if replica.usable and not (tried and tried[replica.name]) and replica.weight > 0 then
            weights = weights + replica.weight
            local load = busy / replica.weight
            if busy < replica.slots and (not best or load < best_load
                or load == best_load and replica.served / replica.weight < best.served / best.weight) then
                best, best_load = replica, load
            end
        end
    end
    return total, weights, best
end

local function remembered(ctx, total, weights)
    for _, start in ipairs(ctx.starts) do
        local replica = data.replicas[prefixes:get(start) or ""]
        if replica and replica.service == ctx.service and replica.usable and replica.weight > 0
            and not (ctx.tried and ctx.tried[replica.name]) then
            local fair = (total + 1) * replica.weight / weights
            if replica.busy < min(replica.slots, ceil(SPREAD * fair)) then return replica end
            return nil  -- as busy as it may be; a shorter start would be found there or be no help
        end
    end
end

local function remember(ctx, replica)
    for _, start in ipairs(ctx.starts) do
        local known = data.replicas[prefixes:get(start) or ""]
        if not known or not known.usable or known.service ~= ctx.service then
            prefixes:set(start, replica.name, 3600)
        end
    end
end

-- Whether a place that was counted is one still: a body may have taken long to come. Who takes a replica
-- out looks at its count after that, so of the two at least one sees the other.
local function is_still_in(replica)
    refresh()
    return data.replicas[replica.name] == replica and replica.usable
end

-- What was idle is silent no sooner than somebody waits for it: from the first request that it was given
-- after the last word from it.
local function note_asked(replica)
    local asked = live:get("asked:" .. replica.name)
    if not asked or asked <= (live:get("heard:" .. replica.name) or 0) then
        live:set("asked:" .. replica.name, ngx.now())
    end
end

-- Takes a place of a replica for the request; nil where all that are in are full.
local function claim(ctx)
    while true do
        ctx.service = data.services[ctx.service.name] or ctx.service  -- other data may be loaded by now
        local total, weights, best = survey(ctx.service, ctx.tried)
        if weights == 0 then return nil end
        local replica = remembered(ctx, total, weights) or best
        if not replica then return nil end
        local in_flight = count(replica.name, 1)
        if in_flight <= replica.slots and is_still_in(replica) then
            if in_flight == 1 then note_asked(replica) end
            replica.served = replica.served + 1
            ctx.replica = replica
            remember(ctx, replica)
            return replica
        end
        count(replica.name, -1)  -- another worker was quicker
    end
end

-- Whether any replica is in, and whether any will be back: it is drained, has a turn or is awaited, or
-- its router is about to hear that it is in.
local function who_is_in(service)
    local some_in, some_coming = false, false
    for _, replica in ipairs(service.all) do
        some_in = some_in or not replica.router and replica.usable and replica.weight > 0
        local is_awaited = replica.ejected and (replica.awaited or 0) > ngx.time()
        some_coming = some_coming or replica.turn or is_awaited or replica.drained and not replica.ejected
            or replica.router and replica.usable and not is_listed(replica)
    end
    return some_in, some_coming
end

-- Overflow -----------------------------------------------------------------------------------------

local function overflow_used(service, what)
    return clients:get(format("overflow:%s:%s:%s", today(), service.name, what)) or 0
end

local function use_overflow(service, what, by)
    clients:incr(format("overflow:%s:%s:%s", today(), service.name, what), by, 0, 172800)
end

-- `ctx.body` is kept where the service had an outside API when the request came.
local function may_go_outside(ctx)
    local service, outside = ctx.service, ctx.service and ctx.service.overflow
    return outside and ctx.body and service.answers[ctx.path]
        and overflow_used(service, "requests") < (given(outside.requests_a_day) or math.huge)
        and overflow_used(service, "tokens") < (given(outside.tokens_a_day) or math.huge)
end

-- To the outside API, by its own name of the model and its own key. Ends this phase.
local function go_outside(ctx)
    local outside = ctx.service.overflow
    ctx.outside = true
    count("overflow/" .. ctx.service.name, 1)
    use_overflow(ctx.service, "requests", 1)
    ctx.model = outside.model
    ngx.req.set_body_data(edited(ctx, ctx.body, ctx.members, ""))
    local key = trusted_secrets.overflow[ctx.service.name] or ""
    local tail = ctx.path:gsub("^/v1", "", 1)
    ngx.var.rackwright_outside = format("https://%s:%d%s%s", outside.host, outside.port, outside.prefix, tail)
    ngx.var.rackwright_outside_name = outside.host
    ngx.var.rackwright_outside_key = outside.scheme == "x-api-key" and "" or "Bearer " .. key
    ngx.var.rackwright_outside_x_key = outside.scheme == "x-api-key" and key or ""
    return ngx.exec("@outside")
end

-- Waiting ------------------------------------------------------------------------------------------
-- Each worker has the requests that wait with it in order, and tells the others the first of them:
-- the first of all gets the next place. A client's requests are numbered on from the last one served,
-- so that clients take turns, whoever has more of them; a class goes wholly before the next.

local CLASSES = {interactive = 0, batch = 1}
local LOOK_S, IDLE_LOOK_S = 0.004, 0.25
local MOST_OF_FREE = 4  -- times the free places may one client have: the last are for others
local waiting = {}  -- service -> list of this worker, in order
local slot          -- of this worker, among those that tell their first

local function tell_first(service)
    local first = (waiting[service.name] or {})[1]
    local key = format("first:%s:%d", service.name, slot)
    if first then live:set(key, first.order, 1) else live:delete(key) end
end

local function first_of_all(service, order)
    for other = 0, (live:get("slots") or 0) do
        if other ~= slot then
            local theirs = live:get(format("first:%s:%d", service.name, other))
            if theirs and theirs < order then return false end
        end
    end
    return true
end

-- Gives places to those who wait with this worker, as long as they are first of all.
local function serve_waiting(service)
    local line = waiting[service.name]
    while line and line[1] do
        local ctx = line[1]
        if not first_of_all(service, ctx.order) or not claim(ctx) then return end
        table.remove(line, 1)
        live:set(format("turn:%s:%d", service.name, ctx.class), ctx.turn)
        tell_first(service)
        ctx.woken:post(1)
        if line[1] then line[1].woken:post(1) end  -- it looks from now on
    end
end

local function leave_line(ctx)
    local line = waiting[ctx.service.name]
    for place, other in ipairs(line) do
        if other == ctx then
            table.remove(line, place)
            if place == 1 and line[1] then line[1].woken:post(1) end
            break
        end
    end
    tell_first(ctx.service)
end

local function stand_in_line(ctx)
    local service, client = ctx.service, ctx.key.client
    ctx.class = CLASSES[ctx.key.class or "interactive"] or 0
    local last = format("last:%s:%s", service.name, client)
    local turn = live:get(format("turn:%s:%d", service.name, ctx.class)) or 0
    ctx.turn = max(turn, (clients:get(last) or 0)) + 1
    clients:set(last, ctx.turn, 3600)
    ctx.order = ctx.class * 1e15 + ctx.turn * 1e5 + live:incr("arrivals", 1, 0) % 1e5
    ctx.woken = semaphore.new()
    waiting[service.name] = waiting[service.name] or {}
    local line, place = waiting[service.name], nil
    place = #line + 1
    while place > 1 and line[place - 1].order > ctx.order do place = place - 1 end
    table.insert(line, place, ctx)
    tell_first(service)
end

-- Until a place comes, the time is over, or none is in and the outside API takes it. While a turn holds
-- requests each waits as long as that says, also those that came before it or stay behind it.
local function wait_in_line(ctx)
    local service, came, until_s = ctx.service, ngx.now(), 0
    stand_in_line(ctx)
    while not ctx.replica do
        ngx.update_time()
        local now = data.services[service.name] or service
        until_s = max(until_s, came + max(now.queue and now.queue.wait_s or 0, now.hold_s))
        local left = until_s - ngx.now()
        if left <= 0 or (may_go_outside(ctx) and not who_is_in(now)) then break end
        local is_first = waiting[service.name][1] == ctx
        ctx.woken:wait(min(left, is_first and LOOK_S or IDLE_LOOK_S))
        refresh()
        if not ctx.replica then
            tell_first(service)
            serve_waiting(service)
        end
    end
    if not ctx.replica then leave_line(ctx) end
    return ctx.replica
end

local function retry_after(service) return {["Retry-After"] = max(1, ceil(service.queue.wait_s / 4))} end

-- Waits for a place, as long and with as many others as the service lets; refuses else.
local function wait_for_place(ctx)
    local service, line = ctx.service, "line/" .. ctx.service.name
    local mine = line .. "/" .. ctx.key.client
    local free = service.queue.length - counted(line)
    if free <= 0 or (ctx.key ~= NOBODY and counted(mine) >= MOST_OF_FREE * free) then
        return refuse("queue_full", nil, retry_after(service))
    end
    ctx.line, ctx.mine = line, mine
    count(line, 1)
    count(mine, 1)
    ngx.on_abort(function() ngx.exit(499) end)
    local replica = wait_in_line(ctx)
    count(line, -1)
    count(mine, -1)
    ctx.line = nil
    if replica then return replica end
    if may_go_outside(ctx) and not who_is_in(ctx.service) then return go_outside(ctx) end
    return refuse("queue_timeout", nil, retry_after(service))
end

-- A request's way ----------------------------------------------------------------------------------

local function models_listed(ctx)
    local entries = {}
    local names = {}
    for name, known in pairs(data.names) do
        local service = known[1]
        local fixed = ctx.service or data.services[data.hosts[ngx.var.host] or ""]
        if may_use(ctx.key, service, name) and (not fixed or fixed == service) then names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local service, model = data.names[name][1], data.names[name][2]
        local parent = name ~= service.model and cjson.encode(service.model) or "null"
        entries[#entries + 1] = format('{"id": %s, "object": "model", "type": "model", "created": %d, '
            .. '"created_at": "%s", "display_name": %s, "owned_by": "rackwright", "root": %s, "parent": %s, '
            .. '"max_model_len": %d}', cjson.encode(name), service.created,
            os.date("!%Y-%m-%dT%H:%M:%SZ", service.created), cjson.encode(name),
            cjson.encode(model), parent, service.context)
        entries[name] = entries[#entries]
    end
    return entries, names
end

local function answer(status, body, kind)
    ngx.status = status
    ngx.header["Content-Type"] = kind or "application/json"
    ngx.header["Content-Length"] = #body
    if ngx.req.get_method() ~= "HEAD" then ngx.print(body) end
    return ngx.exit(ngx.HTTP_OK)
end

local function answer_models(ctx, id)
    local entries, names = models_listed(ctx)
    if id ~= "" then
        if not entries[id] then
            return refuse("model_not_found", format("the model %q is not served here", sub(id, 1, 200)))
        end
        return answer(200, entries[id] .. "\n")
    end
    return answer(200, format('{"object": "list", "data": [%s], "has_more": false, "first_id": %s, "last_id": %s}\n',
        concat(entries, ", "), cjson.encode(names[1] or cjson.null), cjson.encode(names[#names] or cjson.null)))
end

local function answer_preflight(ctx)
    local asked = ngx.var.http_access_control_request_headers
    ngx.header["Access-Control-Allow-Methods"] = "GET, POST"
    ngx.header["Access-Control-Allow-Headers"] = asked and asked:match("^[%w%-_, ]+$") and asked or nil
    ngx.header["Access-Control-Max-Age"] = 600
    ctx.code = "preflight"
    return answer(204, "")
end

local function needs_method(wanted)
    if ngx.req.get_method() ~= wanted then return refuse("method_not_allowed", nil, {Allow = wanted}) end
end

-- While the engines' key is changed there are two: each replica's entry says by its digest which it has.
local function engine_key(replica) return trusted_secrets.engine_keys[replica.key] or trusted_secrets.engine end

-- What lets into an engine is its own key, which clients do not have: they come in by theirs, or where
-- everybody may ask, by none.
local function set_headers(ctx)
    ctx.engine_key = engine_key(ctx.replica)
    if not data.fleet.keys_required and not ctx.engine_key then return end
    ngx.req.clear_header("x-api-key")
    if ctx.engine_key then
        ngx.req.set_header("Authorization", "Bearer " .. ctx.engine_key)
    else
        ngx.req.clear_header("Authorization")
    end
end

local function may_wait(service) return service.queue and service.queue.length > 0 end

-- Whether a request that the replicas it was given to did not take may wait for another one.
local function others_may_take(ctx)
    local _, weights = survey(ctx.service, ctx.tried)
    local _, some_coming = who_is_in(ctx.service)
    return may_wait(ctx.service) and (weights > 0 or some_coming)
end

-- A replica, or the outside API, or a refusal.
local function find_place(ctx)
    local service, outside = ctx.service, may_go_outside(ctx)
    if outside and given(service.overflow.in_flight)
        and survey(service) >= service.overflow.in_flight then
        return go_outside(ctx)
    end
    if (not may_wait(service) or counted("line/" .. service.name) == 0) and claim(ctx) then return end
    local some_in, some_coming = who_is_in(service)
    if not some_in and outside then return go_outside(ctx) end
    if may_wait(service) and (some_in or some_coming) then return wait_for_place(ctx) end
    if some_in then return refuse("queue_full", nil, {["Retry-After"] = 5}) end
    return refuse(service.overflow and "overflow_exhausted" or "no_replica")
end

local function route(ctx)
    local uri = ngx.var.uri
    local prefix, id = uri:match("^(/?[^/]*)/v1/models$"), ""
    if not prefix then prefix, id = uri:match("^(/?[^/]*)/v1/models/(.+)$") end
    if prefix and (prefix == "" or data.services[sub(prefix, 2)]) then
        ctx.service = data.services[sub(prefix, 2)]
        needs_method("GET")
        ctx.key = who_asks(ctx)
        return answer_models(ctx, id)
    end
    ctx.endpoint, ctx.path, ctx.service = endpoint_of(uri)
    if not ctx.endpoint then return refuse("not_found") end
    needs_method(ctx.endpoint.method)
    ctx.key = who_asks(ctx)
    local encoding, kind = ctx.headers["content-encoding"], ctx.headers["content-type"]
    if encoding and encoding ~= "identity" then return refuse("encoding_not_supported") end
    if type(kind) == "table" then return refuse("invalid_json", "the header Content-Type stands twice") end
    local body = read_body()
    local members = outlined(ctx, body)
    local model = model_asked(ctx, body, members)
    choose_service(ctx, model)
    if not may_use(ctx.key, ctx.service, ctx.asked) then return refuse("model_not_allowed") end
    if not ctx.service.answers[ctx.path] then return refuse("endpoint_not_supported") end
    keep_limits(ctx)
    ctx.prompt_bytes = 0
    for _, name in ipairs(ctx.endpoint.prompt) do
        if members[name] then ctx.prompt_bytes = ctx.prompt_bytes + members[name][2] - members[name][1] end
    end
    ctx.asks_usage = must_ask_usage(ctx, body, members)
    ctx.starts = starts_of(ctx, body, members)
    if ctx.service.overflow then ctx.body, ctx.members = body, members end
    ctx.request = {body, members, model}
end

-- Of every request: ends it, or leaves it to M.access with its whole body. A phase of its own: having read
-- a body Nginx no longer looks whether the client is still there, before the next phase begins.
function M.receive()
    refresh()
    local ctx = {key = NOBODY, headers = ngx.req.get_headers(0)}
    contexts[ngx.var.request_id] = ctx
    local origin = ngx.var.http_origin
    if origin and (data.origins[origin] or data.origins["*"]) then
        ctx.origin = origin
        if ngx.req.get_method() == "OPTIONS" and ngx.var.http_access_control_request_method then
            return answer_preflight(ctx)
        end
    end
    return route(ctx)
end

-- Ends a request, or leaves it to the proxy with ctx.replica, after a wait where all are full.
function M.access()
    local ctx = context()
    local body, members, model = unpack(ctx.request)
    ctx.request = nil
    find_place(ctx)
    local sent = edited(ctx, body, members, model)
    if sent ~= body then ngx.req.set_body_data(sent) end
    if ctx.service.connection == "close" then ngx.var.rackwright_connection = "close" end
    set_headers(ctx)
    ngx.req.set_uri(ctx.path)
    ngx.req.set_uri_args("")  -- no path takes any, and engines write them into their logs
end

local BUSY = -3  -- to Nginx: no upstream is left

local function release(ctx)
    local replica = ctx.replica
    ctx.replica = nil
    if replica then
        count(replica.name, -1)
        ctx.last = replica
        serve_waiting(replica.service)
    end
end

local note_failure  -- below, with the health of replicas

-- Connects to the replica that was chosen; where that fails, to another one that has room.
function M.balance()
    local ctx = context()
    if balancer.get_last_failure() then
        note_failure(ctx.replica, "it refuses connections", true)
        release(ctx)
        if not claim(ctx) then return ngx.exit(BUSY) end  -- what there was a moment ago is full now
        ctx.needs_other_key = engine_key(ctx.replica) ~= ctx.engine_key  -- too late for it here
        if ctx.needs_other_key then return ngx.exit(BUSY) end
    end
    ctx.tried = ctx.tried or {}
    ctx.tried[ctx.replica.name] = true
    local _, _, another = survey(ctx.service, ctx.tried)
    if another then balancer.set_more_tries(1) end
    local done, why = balancer.set_current_peer(ctx.replica.peer, ctx.replica.port)
    if not done then
        notice(ctx.replica.name, ": ", why)
        return ngx.exit(ngx.ERROR)
    end
end

-- Instead of Nginx's own 413: `most` is what a body may have.
function M.too_large(most) return refuse("request_too_large", "the request has more than " .. most) end

-- Instead of Nginx's own 405, to methods that it refuses before anything else.
function M.wrong_method()
    local endpoint = endpoint_of(ngx.var.uri)
    local own = find(ngx.var.uri, "/v1/models", 1, true) and "GET"
    return refuse("method_not_allowed", nil, {Allow = endpoint and endpoint.method or own or "GET, POST"})
end

-- Instead of Nginx's own 502, 503 and 504.
function M.failed()
    local ctx, connected = context(), ngx.var.upstream_connect_time or "-"
    if ctx.outside then return refuse(ngx.status == 504 and "replica_late" or "replica_lost") end
    if not connected:match("%d$") then  -- nothing was sent
        if not ctx.needs_other_key then
            release(ctx)
            if not ctx.service then return refuse("no_replica") end
            if may_go_outside(ctx) then return go_outside(ctx) end
            if not others_may_take(ctx) then return refuse("no_replica") end
            wait_for_place(ctx)
        end
        ctx.needs_other_key = nil
        set_headers(ctx)
        ngx.status = 200  -- the one that it had would go before the replica's
        return ngx.exec("@replica")
    end
    return refuse(ngx.status == 504 and "replica_late" or "replica_lost")
end

-- Answers and usage --------------------------------------------------------------------------------

local GOODBYE_S, STAY_S = 60, 10
local began_s = 0  -- when this worker did

-- Nginx is about to be reloaded. Old workers close their idle connections then, though a client may just
-- send on one (HTTP/1.1 has no word for that): before it, each answer says that its connection ends.
local function say_goodbye()
    live:set("goodbye_s", ngx.now(), GOODBYE_S)
    return answer(200, "{}\n")
end

-- Streams that began before that word end without it: the reload waits for those that are nearly over.
local function await_streams()
    local until_s = ngx.now() + STAY_S
    while counted("stays") > 0 and ngx.now() < until_s do ngx.sleep(0.05) end
    return answer(200, "{}\n")
end

local function is_leaving() return (live:get("goodbye_s") or 0) > began_s end

local BUCKETS_S = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
local note_success  -- below, with the health of replicas

-- Whether a replica refuses the key that the gateway sent it: which is no fault of the client's, whose
-- own was good, though it would take an engine's 401 for one.
local function takes_another_key(ctx)
    return ngx.status == 401 and ctx.replica and not ctx.code and (ctx.engine_key or data.fleet.keys_required)
end

function M.lets_in(values, wanted)
    for _, value in ipairs(list(values)) do
        if value == wanted or value == "*" then return true end
    end
    return false
end

do  -- what only this section names: Lua has room for 200 names in a file

local USAGE_BYTES, OVERLAP_BYTES = 4096, 32

-- Takes what an answer calls usage out of its pieces as they pass: the first (where Anthropic's
-- streams have the prompt's) and the last. Text that a model writes has its quotes escaped.
local function note_usage(ctx, piece)
    local open = ctx.usage_open
    if open then
        open.text = open.text .. sub(piece, 1, USAGE_BYTES)
        if #open.text >= USAGE_BYTES then ctx.usage_open = nil end
    end
    local text, from = (ctx.overlap or "") .. piece, 1
    while true do
        local _, brace = find(text, '"usage"%s*:%s*{', from)
        if not brace then break end
        if brace > #text - #piece then
            local found = {text = sub(text, brace, brace + USAGE_BYTES)}
            ctx.usage_first, ctx.usage_last = ctx.usage_first or found, found
            ctx.usage_open = brace + USAGE_BYTES > #text and found or nil
        end
        from = brace + 1
    end
    ctx.overlap = sub(text, -OVERLAP_BYTES)
end

-- Without the event of usage that the client did not ask for. An event goes on as soon as it is whole.
local function without_usage(ctx, piece, is_last)
    local text = (ctx.rest or "") .. piece
    local stop = 0
    local at = 1
    while true do
        local _, to = find(text, "\r?\n\r?\n", at)
        if not to then break end
        stop, at = to, to + 1
    end
    ctx.rest = is_last and "" or sub(text, stop + 1)
    local whole = is_last and text or sub(text, 1, stop)
    if not find(whole, '"choices"%s*:%s*%[%s*%]') then return whole end
    local kept, from = {}, 1
    while from <= #whole do
        local _, to = find(whole, "\r?\n\r?\n", from)
        local event = sub(whole, from, to or #whole)
        if not (find(event, '"choices"%s*:%s*%[%s*%]') and find(event, '"usage"%s*:%s*{')) then
            kept[#kept + 1] = event
        end
        from = (to or #whole) + 1
    end
    return concat(kept)
end

-- Prompt, cached and completion tokens, as OpenAI's and Anthropic's answers call them; nil of what
-- the object does not tell.
local function tokens_in(found)
    local stop = found and after_nested(ffi.cast("const char *", found.text), 0, #found.text)
    local said = stop and cjson.decode(sub(found.text, 1, stop))
    if type(said) ~= "table" then return end
    local details = said.prompt_tokens_details or said.input_tokens_details
    local cached = type(details) == "table" and number(details.cached_tokens) or number(said.cache_read_input_tokens)
    local prompt = number(said.prompt_tokens) or number(said.input_tokens)
    if prompt and not said.prompt_tokens then  -- Anthropic's leave out what is read from or put into the cache
        prompt = prompt + (number(said.cache_read_input_tokens) or 0) + (number(said.cache_creation_input_tokens) or 0)
    end
    return prompt, cached, number(said.completion_tokens) or number(said.output_tokens)
end

-- Seconds of sound that a transcript says it is of, a part of one as a whole: OpenAI's usage of such, or
-- what a verbose one calls its duration. 0 where it says nothing.
local function seconds_of(ctx)
    if ctx.endpoint.body ~= "multipart" then return 0 end
    local text = ctx.usage_last and ctx.usage_last.text
    local said = text and text:match('"seconds"%s*:%s*([%d.]+)') or ctx.duration
    return ceil(tonumber(said) or 0)
end

local function tokens_of(ctx)
    local prompt, cached, completion = tokens_in(ctx.usage_last)
    if ctx.usage_first ~= ctx.usage_last then
        local first_prompt, first_cached, first_completion = tokens_in(ctx.usage_first)
        prompt, cached = prompt or first_prompt, cached or first_cached
        completion = completion or first_completion
    end
    local told = ctx.usage_last and (ctx.endpoint.api ~= "anthropic" or ctx.usage_first ~= ctx.usage_last)
    if ctx.streams and not ctx.ended and not told then
        -- Cut off before it was told: nobody counted, so about as many as there were events.
        return max(prompt or 0, ceil(ctx.prompt_bytes / 4)), cached or 0, max(completion or 0, ctx.pieces or 0)
    end
    return prompt or 0, cached or 0, completion or 0
end

-- Keys of figures, made once a service (or client and model) and kept with it.
local function histogram(name, service)
    local keys = {bounds = {}, count = format("sum:%s_count{service=%q}", name, service.name),
                  sum = format("sum:%s_sum{service=%q}", name, service.name)}
    for place, bound in ipairs(BUCKETS_S) do
        keys.bounds[place] = format("sum:%s_bucket{service=%q,le=%q}", name, service.name, tostring(bound))
    end
    return keys
end

local function observe(name, service, value)
    local keys = service[name]
    if not keys then
        keys = histogram(name, service)
        service[name] = keys
    end
    for place = 1, #BUCKETS_S do
        if value <= BUCKETS_S[place] then
            add(keys.bounds[place], 1)
            break
        end
    end
    add(keys.count, 1)
    add(keys.sum, value)
end

local usage_keys, usage_keys_day = {}, ""

local function keys_of_usage(client, model)
    local day = today()
    if day ~= usage_keys_day then usage_keys, usage_keys_day = {}, day end
    local name = client .. "\t" .. model
    local keys = usage_keys[name]
    if not keys then
        local start, labels = format("day:%s\t%s\t", day, name), format("_total{client=%q,model=%q}", client, model)
        keys = {requests = start .. "requests", overflow = start .. "overflow_requests", days = {}, sums = {}}
        for place, field in ipairs({"prompt_tokens", "cached_tokens", "completion_tokens", "audio_seconds"}) do
            keys.days[place] = start .. field
            keys.sums[place] = "sum:rackwright_gateway_" .. field .. labels
        end
        usage_keys[name] = keys
    end
    return keys
end

local function add_tokens(keys, place, value)
    if value > 0 then
        add(keys.days[place], value)
        add(keys.sums[place], value)
    end
end

local function count_usage(ctx, prompt, cached, completion)
    local keys = keys_of_usage(ctx.key.client, ctx.asked)
    add(keys.requests, 1)
    if ctx.outside then add(keys.overflow, 1) end
    add_tokens(keys, 1, prompt)
    add_tokens(keys, 2, cached)
    add_tokens(keys, 3, completion)
    add_tokens(keys, 4, seconds_of(ctx))
    local all = prompt + completion
    if all == 0 then return end
    if ctx.key ~= NOBODY then
        usage:incr(month_key(ctx.key.client), all, 0)
        if ctx.key.tokens_a_minute then use_in_a_minute("tokens:", ctx.key.client, all) end
    end
    if ctx.outside then use_overflow(ctx.service, "tokens", all) end
end

-- Before the last word of its answer, for behind that it may ask again at once: what it has in flight, and
-- what it used. Of one that was cut off, at its end.
local function client_has_its_answer(ctx)
    if ctx.client_counted then
        ctx.client_counted = nil
        count("client/" .. ctx.key.client, -1)
    end
    if ctx.tokens or ctx.code or not (ctx.endpoint and ctx.service) then return end
    ctx.tokens = {tokens_of(ctx)}
    if ngx.status < 400 or ngx.status == 499 then count_usage(ctx, unpack(ctx.tokens)) end
end

function M.header_filter()
    local ctx = context()
    if takes_another_key(ctx) then
        ngx.header["WWW-Authenticate"] = nil
        ctx.instead = refusal(ctx, "replica_refused")
    end
    local name = ctx.outside and "overflow" or ctx.replica and ctx.replica.name or ctx.last and ctx.last.name
    ngx.header["X-Rackwright-Replica"] = (not ctx.code or BY_REPLICA[ctx.code]) and name or "-"
    if (ngx.req.http_version() or 1) < 2 then
        if is_leaving() then
            ngx.header["Connection"] = "close"
        elseif not ctx.stays then
            ctx.stays = true
            count("stays", 1)
        end
    end
    if ctx.origin and (not ctx.service or ctx.code or M.lets_in(ctx.service.origins, ctx.origin)) then
        ngx.header["Access-Control-Allow-Origin"] = ctx.origin
        ngx.header["Access-Control-Expose-Headers"] = "X-Request-ID, X-Rackwright-Replica, Retry-After"
        ngx.header["Vary"] = "Origin"
    end
    if not ctx.endpoint or ctx.code then return client_has_its_answer(ctx) end
    ctx.reads = true
    ctx.streams = find(ngx.header["Content-Type"] or "", "text/event-stream", 1, true) ~= nil
    if ctx.streams and ctx.asks_usage then ngx.header["Content-Length"] = nil end  -- an event may be taken out
    ctx.left = tonumber(ngx.header["Content-Length"])
end

function M.body_filter()
    local ctx = contexts[ngx.var.request_id]
    if ctx and ctx.instead then ngx.arg[1], ctx.instead = ctx.instead, "" end
    if not ctx or not ctx.reads then return end
    local piece, is_last = ngx.arg[1], ngx.arg[2]
    if piece ~= "" then
        if not ctx.first_byte then
            ctx.first_byte = ngx.now()
            ctx.duration = sub(piece, 1, 256):match('^{[^{}]-"duration"%s*:%s*"?([%d.]+)')
        end
        ctx.pieces = (ctx.pieces or 0) + 1
        if ctx.replica then ctx.replica.heard = ngx.now() end
        note_usage(ctx, piece)
    end
    if ctx.streams and ctx.asks_usage then ngx.arg[1] = without_usage(ctx, piece, is_last) end
    -- Of an answer whose length was said Nginx tells the end only behind its last piece.
    if ctx.left then ctx.left = ctx.left - #piece end
    if is_last or ctx.left == 0 then
        ctx.ended = true
        client_has_its_answer(ctx)
    end
end

-- Of answers by service, replica and status.
local answers_keys = {}

local function count_answer(service, name, status)
    local by_name = answers_keys[name]
    if not by_name then
        by_name = {}
        answers_keys[name] = by_name
    end
    local known = service .. status
    if not by_name[known] then
        by_name[known] = format('sum:rackwright_gateway_requests_total{service=%q,replica=%q,status="%d"}', service, name, status)
    end
    add(by_name[known], 1)
end

local function log_line(ctx, status, prompt, cached, completion)
    local var, started = ngx.var, ngx.req.start_time()
    local name = ctx.outside and "overflow" or ctx.last and ctx.last.name or "-"
    local path = (var.request_uri or ""):match("^[^?#]*") or ""
    if path:find("@", 1, true) then path = "-" end  -- a user's name and password may stand before it
    return format('{"time": "%s", "client": %s, "model": %s, "service": %s, "replica": %s, "method": %s, '
        .. '"path": %s, "status": %d, "bytes": %d, "request_s": %.3f, "first_byte_s": %s, "prompt_tokens": %d, '
        .. '"cached_tokens": %d, "completion_tokens": %d, "code": %s, "request_id": "%s", "address": "%s"}',
        sub(ngx.utctime(), 1, 10) .. "T" .. sub(ngx.utctime(), 12) .. "Z", quoted(ctx.key.client), quoted(ctx.asked),
        quoted(ctx.service and ctx.service.name), quoted(name), quoted(var.request_method), quoted(path), status,
        tonumber(var.bytes_sent) or 0, ngx.now() - started,
        ctx.first_byte and format("%.3f", ctx.first_byte - started) or "null", prompt, cached, completion,
        quoted(ctx.code), var.request_id, var.remote_addr)
end

-- The end of every request, whatever became of it.
function M.log()
    local ctx = contexts[ngx.var.request_id] or {key = NOBODY}
    contexts[ngx.var.request_id] = nil
    local replica, status = ctx.replica, ngx.status
    if ctx.line then  -- it hung up while it waited
        leave_line(ctx)
        count(ctx.line, -1)
        count(ctx.mine, -1)
    end
    if replica then
        local theirs = tonumber((ngx.var.upstream_status or ""):match("(%d+)$"))
        if ctx.code == "replica_refused" then
            note_failure(replica, "it takes another key", false, true)
        elseif ctx.code == "replica_lost" or theirs and theirs >= 500 and not ctx.code then
            note_failure(replica, ctx.code and "it breaks connections off" or "it answers " .. theirs)
        elseif theirs and theirs < 500 then
            note_success(replica)
        end
    end
    release(ctx)
    if ctx.outside then count("overflow/" .. ctx.service.name, -1) end
    client_has_its_answer(ctx)
    if ctx.stays then count("stays", -1) end
    if ctx.tokens then
        observe("rackwright_gateway_request_seconds", ctx.service, ngx.now() - ngx.req.start_time())
        if ctx.first_byte then
            observe("rackwright_gateway_first_byte_seconds", ctx.service, ctx.first_byte - ngx.req.start_time())
        end
    end
    local last = ctx.last
    count_answer(ctx.service and ctx.service.name or "-", ctx.outside and "overflow" or last and last.name or "-", status)
    if last then add(last.served_key, 1) end
    ngx.var.rackwright_line = log_line(ctx, status, unpack(ctx.tokens or {0, 0, 0}))
    if ngx.worker.exiting() then share_figures() end  -- its timers ran for the last time at the reload
end

end

-- The health of replicas ---------------------------------------------------------------------------
-- Out is a replica that refuses connections, answers errors, or nothing while others do; slow is not
-- dead: one that still sends something stays in. It comes back when it has completed a real request.
-- The last one that is in stays in: its own errors say more than ours.

local ROUND_S, QUIET_S, CANARY_S = 2, 3, 20
local FAILURES = 3  -- in a row
local AWAITED_S = 120  -- so long do requests wait for one that somebody is about to bring back
local failures = {}  -- of this worker: replica -> how often in a row

local function others_are_in(replica)
    for _, other in ipairs(replica.peers) do
        if other ~= replica and other.usable then return true end
    end
    return false
end

-- Both of these within a change. `awaited_s`: it will be back, so requests wait for it.
local function put_out(replica, why, awaited_s)
    if not replica.ejected then know(replica.name, "since", ngx.time()) end
    know(replica.name, "ejected", why)
    know(replica.name, "awaited", awaited_s and ngx.time() + awaited_s)
    notice(replica.name, " is out: ", why)
end

local function take_back(replica, why)
    know(replica.name, "ejected", nil)
    know(replica.name, "awaited", nil)
    know(replica.name, "since", ngx.time())
    live:delete("failures:" .. replica.name)
    notice(replica.name, " is in again: ", why)
end

local function eject(replica, why)
    if not replica.usable or not others_are_in(replica) then return end
    change(function()
        local now = data.replicas[replica.name]
        if now and now.usable and others_are_in(now) then put_out(now, why) end
    end)
end

-- One request by a connection of its own: its status and body, or nil and why. Whatever comes from
-- there, and however slowly: it ends in time.
local MOST_BYTES = 1024 * 1024
local REFUSED = "it refuses connections"

local function ask(host, port, headers, method, path, body, timeout_s)
    local until_s, socket = ngx.now() + timeout_s, ngx.socket.tcp()
    socket:settimeouts(1000, 1000, timeout_s * 1000)
    if not socket:connect(host, port) then return nil, REFUSED end
    socket:send(format("%s %s HTTP/1.0\r\nHost: localhost\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s",
        method, path, headers, #body, body))
    local pieces, size = {}, 0
    while size < MOST_BYTES and ngx.now() < until_s do
        socket:settimeout(max(1, (until_s - ngx.now()) * 1000))
        local piece = socket:receiveany(65536)
        if not piece then break end
        pieces[#pieces + 1] = piece
        size = size + #piece
    end
    socket:close()
    local text = concat(pieces)
    local status = tonumber(text:match("^HTTP/1%.%d (%d%d%d) "))
    if not status then return nil, "it answers nothing" end
    return status, text:match("\r\n\r\n(.*)$") or ""
end

local function ask_replica(replica, method, path, body, timeout_s, kind)
    local headers = format("Content-Type: %s\r\n", kind or "application/json")
    local key = engine_key(replica)
    if key then headers = headers .. "Authorization: Bearer " .. key .. "\r\n" end
    return ask(replica.peer, replica.port, headers, method, path, body, timeout_s)
end

local function completes(replica, timeout_s)
    local canary = replica.service.canary
    local asked, kind = canary.body, nil
    if type(asked) == "string" then  -- a form, which begins with its boundary
        kind = "multipart/form-data; boundary=" .. asked:match("^%-%-([^\r\n]*)")
    else
        asked = cjson.encode(asked)
    end
    local status, body = ask_replica(replica, "POST", canary.path, asked, timeout_s, kind)
    local value = status == 200 and cjson.decode(body)
    if type(value) ~= "table" then return false, status end
    if kind then return type(value.text) == "string", status end
    for _, part in ipairs({"choices", "data", "output", "content", "results"}) do
        if type(value[part]) == "table" and next(value[part]) then return true, status end
    end
    return false, status
end

-- In a timer, one at a time of this worker for each replica.
local function try(replica, work, ...)
    if replica.being_tried then return end
    replica.being_tried = ngx.timer.at(0, function(premature, ...)
        if not premature then work(replica, ...) end
        replica.being_tried = nil
    end, ...)
end

local function try_again(replica)
    local was = replica.ejected
    if not was or not completes(replica, CANARY_S) then return end
    change(function()
        local now = data.replicas[replica.name]
        if now and now.ejected == was then take_back(now, "it completed a request") end
    end)
end

-- Errors may be of the requests themselves, so a replica is not out for them before it fails at one of
-- ours. A refusal says enough.
local function try_failing(replica, why, is_refusal)
    if is_refusal or not completes(replica, QUIET_S) then return eject(replica, why) end
    live:delete("failures:" .. replica.name)
end

-- `is_refusal`: nothing was sent. `at_once`: one is enough to try it.
function note_failure(replica, why, is_refusal, at_once)
    add("failed:" .. replica.name, 1)
    local often = live:incr("failures:" .. replica.name, 1, 0) >= FAILURES
    if often or at_once then try(replica, try_failing, why, is_refusal) end
end

function note_success(replica)
    if live:get("failures:" .. replica.name) then live:delete("failures:" .. replica.name) end
end

-- Whether others of the service were heard of lately, and this one, that has had work since, was not.
local function is_silent(replica, now)
    local since = max(live:get("heard:" .. replica.name) or 0, live:get("asked:" .. replica.name) or now)
    if counted(replica.name) == 0 or now - since < QUIET_S then return false end
    for _, other in ipairs(replica.service.replicas) do
        if other ~= replica and now - (live:get("heard:" .. other.name) or 0) < QUIET_S then return true end
    end
    return false
end

local function try_silent(replica)
    local _, status = completes(replica, QUIET_S)
    if not status and is_silent(replica, ngx.now()) then eject(replica, "it completes nothing while others do") end
end

-- Turns --------------------------------------------------------------------------------------------
-- The right to have a replica out, on a lease: who has it says so again before it ends. One that ends
-- without a word leaves nothing drained, for its replica comes back by itself when it completes.

local turns = {}

function turns.finish(replica, why)
    know(replica.name, "turn", nil)
    if why then return put_out(replica, why, max(replica.turn.hold_s, AWAITED_S)) end
    take_back(replica, format("the turn of %s ended", replica.turn.owner))
end

-- Within a change.
function turns.finish_old()
    for _, replica in pairs(data.replicas) do
        if replica.turn and replica.turn["until"] <= ngx.time() then
            turns.finish(replica, format("the turn of %s ended without a word", replica.turn.owner))
        end
    end
    changed()
    refresh()
end

function turns.look()
    for _, replica in pairs(data.replicas) do
        if replica.turn and replica.turn["until"] <= ngx.time() then return change(turns.finish_old) end
    end
end

local function state_of(replica)
    if replica.drained or replica.turn then return "drained" end
    return (replica.ejected or not is_listed(replica)) and "ejected" or "in"
end

-- Why a replica must not go out alone, and what the others are; nil where it may.
function turns.why_not_alone(replica)
    local states, why, some_in = {}, nil, false
    for _, other in ipairs(replica.peers) do
        if other ~= replica then
            states[other.name] = state_of(other)
            some_in = some_in or other.usable and other.weight > 0 and is_listed(other)
            if other.turn then why = format("%s has the turn of %s", other.turn.owner, other.name) end
        end
    end
    if next(states) and not some_in and replica.usable then why = why or "no other replica of the service is in" end
    return why and {error = why, others = states}
end

-- Takes, renews or ends a turn, within a change; nil, or what forbids it.
function turns.put(replica, asked)
    local has, wanted = replica.turn, given(asked.turn)
    if has and has.owner ~= (wanted or asked).owner then
        return {error = format("%s has the turn of %s for another %d s", has.owner, replica.name, has["until"] - ngx.time())}
    end
    if not wanted then
        if has then turns.finish(replica, asked.prove and "waits for a completion" or nil) end
        return nil
    end
    local forbids = not has and wanted.alone and turns.why_not_alone(replica)
    if forbids then return forbids end
    know(replica.name, "turn", cjson.encode({owner = wanted.owner, ["until"] = ngx.time() + wanted.for_s,
        hold_s = given(wanted.hold_s) or 0, why = asked.why or "the turn of " .. wanted.owner}))
    if has then return nil end
    know(replica.name, "since", ngx.time())
    notice(replica.name, " is out for the turn of ", wanted.owner)
end

-- Routers ------------------------------------------------------------------------------------------
-- Behind a router the choice is its own, so it is told who is out here: by the list of those it sends to,
-- which is put right with every change and every round, whoever changed it or started it anew. What a
-- replica has in flight when it is taken off the list goes on to its end. The last one stays on it: nothing
-- is sent to the router then, and what it has of Nginx still finds a replica.

local routers = {}

do  -- what only this section names: Lua has room for 200 names in a file

local ROUTER_S, HEALTH_S = 2, 1
local TURN_S = 10  -- for all that is asked while one replica is put right

local function url_of(replica) return format("http://%s:%d", replica.peer, replica.port) end

local function ask_router(service, method, path)
    local router = service.replicas[1]
    return ask(router.peer, router.port, "", method, path, "", ROUTER_S)
end

-- The URLs that it sends to, each true; nil and why where it does not say.
local function listed(service)
    local status, body = ask_router(service, "GET", service.router.listing)
    if not status then return nil, body end
    local said = status == 200 and cjson.decode(body)
    local urls, found = type(said) == "table" and said[service.router.member], {}
    if type(urls) ~= "table" then return nil, "it does not say what it has" end
    for _, url in ipairs(urls) do found[url] = true end
    return found
end

-- Has it take a replica on, or off, its list: whether it did.
local function tell(service, what, url)
    return ask_router(service, "POST", service.router[what] .. ngx.escape_uri(url)) == 200
end

local function note_listed(replica, is)
    if is_listed(replica) == is then return end
    live:set("listed:" .. replica.name, is)
    changed()
    refresh()
end

-- It waits without end for one that is not well, so that is looked at first. One that was out while it was
-- on the list may count as dead there: it is put on anew.
local function put_on(replica, urls)
    local service, url = replica.service, url_of(replica)
    if not (urls[url] and is_listed(replica)) then
        note_listed(replica, false)
        if ask_replica(replica, "GET", service.health, "", HEALTH_S) ~= 200 then return "it is not well" end
        if urls[url] and not tell(service, "remove", url) or not tell(service, "add", url) then
            return "its router does not take it on"
        end
        for _, other in ipairs(service.behind) do  -- the last one that was in may be on the list yet
            if not other.usable and urls[url_of(other)] then tell(service, "remove", url_of(other)) end
        end
    end
    note_listed(replica, true)
end

-- Whether it sends to any that is in; one that came a moment ago it may have to hear of first.
local function has_another(service, urls)
    for _, other in ipairs(service.behind) do
        if other.usable and (urls[url_of(other)] and is_listed(other) or not put_on(other, urls)) then return true end
    end
    return false
end

local function take_off(replica, urls)
    local service, url = replica.service, url_of(replica)
    note_listed(replica, false)
    if not urls[url] or not has_another(service, urls) and not service.replicas[1].usable then return nil end
    if not tell(service, "remove", url) then return "its router goes on with it" end
end

-- Of one replica behind a router, one at a time of a service: nil, or why it is not as it should be. A
-- router that does not run sends nobody anything.
function routers.put_right(replica)
    local key = "routing:" .. replica.service.name
    repeat
        local first, fault = live:add(key, true, TURN_S)
        if not first then ngx.sleep(0.01) end
    until first or fault ~= "exists"
    local done, why = pcall(function()
        local urls, silent = listed(replica.service)
        refresh()
        local now = data.replicas[replica.name]
        if not now or not now.router then return nil end
        if not urls then return silent ~= REFUSED and "its router: " .. silent or nil end
        return (now.usable and put_on or take_off)(now, urls)
    end)
    live:delete(key)
    if not done then error(why, 0) end
    return why
end

-- Every round: what it lists otherwise than it should, and what it lists that nobody knows here.
function routers.look(service)
    local urls = listed(service)
    if not urls then return end
    refresh()
    service = data.services[service.name]
    if not service then return end
    local known = {}
    for _, replica in ipairs(service.behind) do known[url_of(replica)] = true end
    for _, replica in ipairs(service.behind) do
        local is = urls[url_of(replica)] or false
        if is ~= replica.usable or is_listed(replica) ~= replica.usable then routers.put_right(replica) end
    end
    for url in pairs(urls) do
        if not known[url] and service.replicas[1].usable then tell(service, "remove", url) end
    end
end

end

-- Watchdogs ----------------------------------------------------------------------------------------
-- The one of each server says what it does about the replicas there. What it takes out is out here, the
-- last one of a service too: it completes nothing. One that says nothing is as one that is not there, but
-- for a quarantine: that holds until the watchdog itself says otherwise, for what broke a server's GPUs may
-- well have silenced it, and a completion says nothing of them.

local look_at_all

do  -- what only this section names: Lua has room for 200 names in a file

local WATCH_S, OLD_S = 1, 6
local OUT = {out = true, restarting = true, ["given up"] = true}
local answers = {}  -- of worker 0: the address of a watchdog -> what it said last, and when
local held = {}     -- of worker 0: names of replicas that are not tried again yet

-- Text from a server, as an operator may read it.
local function readable(text)
    if type(text) ~= "string" then return "" end
    if #text > 150 then text = sub(text, 1, 150):gsub("[\192-\255][\128-\191]*$", "") end
    text = text:gsub("%c", " ")
    return is_utf8(text) and text or (text:gsub("[\128-\255]", "?"))
end

-- What a watchdog says of a replica: a state, and why.
local function judged(said, name)
    if type(said.quarantine) == "table" then return "quarantine", readable(said.quarantine.why) end
    local one = type(said.replicas) == "table" and said.replicas[name]
    if type(one) ~= "table" or type(one.state) ~= "string" then return "silent", "" end
    return readable(one.state), readable(one.why)
end

-- What counts as the quarantine of a replica's server, in words: what is said, else what was said last.
local function quarantine_of(replica, said, state, words)
    if state == "quarantine" then return words end
    if said and given(said.quarantine) == nil then return nil end
    return replica.quarantine
end

-- `said` is nil where nothing is said that counts.
local function take_verdict(replica, said)
    local name = replica.name
    local state, why = judged(said or {}, name)
    local words = why ~= "" and state .. ": " .. why or state
    if live:get("watchdog:" .. name) ~= words then live:set("watchdog:" .. name, words) end
    local quarantine = quarantine_of(replica, said, state, words)
    local is_out = quarantine or OUT[state]
    words = "watchdog: " .. (quarantine or words)
    held[name] = is_out or state == "suspected" and held[name] or nil
    local is_new = quarantine ~= replica.quarantine
    if not is_new and (not is_out or replica.turn or replica.ejected == words) then return end
    change(function()
        local now = data.replicas[name]
        if not now or not is_new and now.quarantine ~= quarantine then return end  -- ended by hand meanwhile
        know(name, "quarantine", quarantine)
        if not is_out or now.turn or now.ejected == words then return end
        local is_awaited = not quarantine and state ~= "given up"  -- somebody is about to bring it back
        put_out(now, words, is_awaited and AWAITED_S or nil)
    end)
end

-- Nobody is left to end what it said.
local function forget_watchdog(replica)
    held[replica.name] = nil
    if not replica.quarantine then return end
    change(function() know(replica.name, "quarantine", nil) end)
end

-- Asks a watchdog for all replicas that it has. What it says is old when its own time stands still.
local function watch(address, replicas)
    local last = answers[address]
    local at = replicas[1].watch
    local status, body = ask(at.host, at.port, "", "GET", "/state", "", WATCH_S)
    local said = status == 200 and cjson.decode(body)
    if type(said) == "table" and said.format == 1 and number(said.now) and not (last and last.said.now == said.now) then
        last = {said = said, at = ngx.now()}
        answers[address] = last
    end
    local is_old = not last or ngx.now() - last.at > OLD_S
    for _, replica in ipairs(replicas) do take_verdict(replica, not is_old and last.said) end
end

local function look_at(replica)
    local name, now = replica.name, ngx.now()
    if replica.drained or replica.turn then
        failures[name] = nil
        return
    end
    if replica.ejected then
        if not held[name] then try(replica, try_again) end
        return
    end
    if replica.router then return end  -- who is not well its router finds out
    local status, why = ask_replica(replica, "GET", replica.service.health, "", ROUND_S - 0.2)
    local heard = live:get("heard:" .. name)
    local is_busy = why == "it answers nothing" and heard and ngx.now() - heard < ROUND_S
    if (status and status < 500) or is_busy then
        failures[name] = nil
    else
        failures[name] = (failures[name] or 0) + 1
        if failures[name] >= FAILURES then eject(replica, status and "its health is " .. status or why) end
    end
    if status == 200 and counted(name) < replica.slots and is_silent(replica, now) then try(replica, try_silent) end
end

local function all_of(look, things)
    local threads = {}
    for key, thing in pairs(things) do threads[#threads + 1] = ngx.thread.spawn(look, key, thing) end
    for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
end

-- Every round of worker 0: first what watchdogs say, for it decides who is tried again.
function look_at_all(premature)
    if premature then return end
    refresh()
    local by_watchdog = {}
    for _, replica in pairs(data.replicas) do
        local at = given(replica.watch)
        if at then
            local address = at.host .. " " .. at.port
            by_watchdog[address] = by_watchdog[address] or {}
            table.insert(by_watchdog[address], replica)
        else
            forget_watchdog(replica)
        end
    end
    all_of(watch, by_watchdog)
    all_of(function(_, replica) look_at(replica) end, data.replicas)
    all_of(function(_, service) if service.behind[1] then routers.look(service) end end, data.services)
end

end

-- Connections to servers that are gone -------------------------------------------------------------
-- A server without power says no farewell, and one whose engine is slow sends nothing either; but its
-- kernel answers TCP's probes for it. Nginx asks for probes and cannot say when (Linux: after two
-- hours); what was sent without an answer the kernel sends again for a quarter of an hour. So each
-- worker looks at its own connections to replicas. The kernel's time-out for both (TCP_USER_TIMEOUT)
-- would also cut off an engine that lives and does not read on.

local begin_to_look_at_connections

do  -- what only this section names: Lua has room for 200 names in a file

local GONE_S = 30
local LOOK_S = 5
local INET, INET6, TCP = 2, 10, 6  -- Linux's numbers, here and below
local PROBING = {  -- after 10 s without a word every 5 s; the fourth without an answer ends it
    {1, 9, 1},     -- SO_KEEPALIVE
    {TCP, 4, 10},  -- TCP_KEEPIDLE
    {TCP, 5, 5},   -- TCP_KEEPINTVL
    {TCP, 6, 4},   -- TCP_KEEPCNT
}
local TCP_INFO = 11
local UNACKNOWLEDGED, DATA_MS_AGO, ANSWER_MS_AGO = 6, 13, 14  -- words of struct tcp_info
local BOTH_WAYS = 2
local address, value = ffi.new("unsigned char[128]"), ffi.new("int[1]")
local info, size = ffi.new("uint32_t[32]"), ffi.new("uint32_t[1]")

local function option(socket, level, name, into)
    size[0] = ffi.sizeof(into)
    return C.getsockopt(socket, level, name, into, size) == 0
end

-- What is so already is left: setting it again would bring the next probe forward.
local function ask_for_probes(socket)
    for _, each in ipairs(PROBING) do
        if option(socket, each[1], each[2], value) and value[0] ~= each[3] then
            value[0] = each[3]
            C.setsockopt(socket, each[1], each[2], value, ffi.sizeof(value))
        end
    end
end

-- Probes wait while something that was sent has no answer.
local function is_unanswered(socket)
    return option(socket, TCP, TCP_INFO, info) and info[UNACKNOWLEDGED] > 0
        and min(info[DATA_MS_AGO], info[ANSWER_MS_AGO]) > GONE_S * 1000
end

-- Port and address as the kernel has them, of a replica and of the other end of a socket.
local function place_of(replica)
    local is_4 = C.inet_pton(INET, replica.host, address) == 1
    if not is_4 and C.inet_pton(INET6, replica.host:gsub("[%[%]]", ""), address) ~= 1 then return "" end
    return string.char(floor(replica.port / 256), replica.port % 256) .. ffi.string(address, is_4 and 4 or 16)
end

local function place_at(socket)
    size[0] = ffi.sizeof(address)
    if C.getpeername(socket, address, size) ~= 0 then return nil end
    local family = address[0] + 256 * address[1]
    if family == INET then return ffi.string(address + 2, 6) end
    return family == INET6 and ffi.string(address + 2, 2) .. ffi.string(address + 8, 16)
end

local function look()
    local names = {}
    for name, replica in pairs(data.replicas) do names[place_of(replica)] = name end
    local slots = tonumber((read_file("/proc/self/status") or ""):match("FDSize:%s*(%d+)")) or 0
    for socket = 0, slots - 1 do
        local name = names[place_at(socket) or false]
        if name then
            ask_for_probes(socket)
            if is_unanswered(socket) then
                C.shutdown(socket, BOTH_WAYS)
                notice(name, " is gone: nothing came from there for ", GONE_S, " s, also no answer of TCP's")
            end
        end
    end
end

-- Also a last time when the worker is told to go: what it asked the kernel for holds on.
function begin_to_look_at_connections() ngx.timer.every(LOOK_S, look) end

end

-- The local socket ---------------------------------------------------------------------------------

-- What a replica behind a router has nobody counts here; where none gets anything it is what the router has.
local function in_flight_of(replica)
    local router = replica.router
    return counted((not router or router.usable) and replica.name or router.name)
end

local function replica_state(replica)
    local name, turn = replica.name, replica.turn
    local told = turn and {owner = turn.owner, ["until"] = turn["until"], hold_s = turn.hold_s} or cjson.null
    local unlisted = not is_listed(replica) and "its router does not send to it" or ""
    return {state = state_of(replica), why = turn and turn.why or replica.drained or replica.ejected or unlisted,
            since = replica.since or 0, turn = told, watchdog = live:get("watchdog:" .. name) or cjson.null,
            router = replica.router and replica.router.name or cjson.null,
            in_flight = in_flight_of(replica), slots = replica.slots, weight = replica.weight,
            requests = usage:get("served:" .. name) or 0, failures = usage:get("failed:" .. name) or 0}
end

local function service_state(service)
    local total = 0
    local replicas = {}
    for _, replica in ipairs(service.all) do
        replicas[replica.name] = replica_state(replica)
        if not replica.router then total = total + counted(replica.name) end
    end
    local state = {in_flight = total, waiting = counted("line/" .. service.name), replicas = replicas, overflow = cjson.null}
    if service.overflow then
        state.overflow = {in_flight = counted("overflow/" .. service.name),
                          today = {requests = overflow_used(service, "requests"), tokens = overflow_used(service, "tokens")}}
    end
    return state
end

local function state()
    local services, of_clients = {}, {}
    for name, service in pairs(data.services) do services[name] = service_state(service) end
    for _, key in pairs(data.keys) do
        of_clients[key.client] = {in_flight = counted("client/" .. key.client),
                                  tokens_this_month = usage:get(month_key(key.client)) or 0}
    end
    return {gateway = data.fleet.gateway, now = ngx.time(), services = services, clients = of_clients,
            loaded = {fleet = data.fleet_hash, keys = data.keys_count, keys_sha256 = data.keys_hash,
                      engine_keys = trusted_secrets.known}}
end

local FIELDS = {"requests", "prompt_tokens", "cached_tokens", "completion_tokens", "overflow_requests", "audio_seconds"}

-- Of today, as rows: one of each client and model.
local function rows_of_today()
    local rows, by_name = {}, {}
    local today = today()
    for _, key in ipairs(usage:get_keys(0)) do
        local day, client, model, field = key:match("^day:([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
        if day == today then
            local name = client .. "\t" .. model
            if not by_name[name] then
                by_name[name] = {day = day, client = client, model = model}
                for _, one in ipairs(FIELDS) do by_name[name][one] = 0 end
                rows[#rows + 1] = by_name[name]
            end
            by_name[name][field] = usage:get(key) or 0
        elseif day then
            usage:delete(key)  -- yesterday's; its file has it
        end
    end
    return rows
end

local function encoded(rows) return #rows == 0 and "[]" or cjson.encode(rows) end

local function usage_path(day) return format("%s/usage-%s.json", state_folder, day) end

function M.save_usage()
    local version = live:get("usage_version")
    if version == live:get("usage_saved") then return end
    live:set("usage_saved", version)
    write_file(usage_path(today()), encoded(rows_of_today()))
end

local function rows_since(since)
    local rows, day_s = {}, 86400
    local year, month, day = since:match("^(%d%d%d%d)-(%d%d)-(%d%d)$")
    local from = os.time({year = year, month = month, day = day, hour = 12})
    local today = today()
    for at = max(from, ngx.time() - 400 * day_s), ngx.time() + day_s, day_s do
        local name = os.date("!%Y-%m-%d", at)
        if name >= today then break end
        for _, row in ipairs(list(cjson.decode(read_file(usage_path(name)) or ""))) do rows[#rows + 1] = row end
    end
    if since <= today then
        for _, row in ipairs(rows_of_today()) do rows[#rows + 1] = row end
    end
    return rows
end

-- After a restart: what was used today, and this month, goes on.
local function restore_usage()
    local today, month = today(), os.date("!%Y-%m-01")
    for _, row in ipairs(list(cjson.decode(read_file(usage_path(today)) or ""))) do
        for _, field in ipairs(FIELDS) do
            usage:set(format("day:%s\t%s\t%s\t%s", today, row.client, row.model, field), row[field] or 0)
        end
    end
    for _, row in ipairs(rows_since(month)) do
        usage:incr(month_key(row.client), row.prompt_tokens + row.completion_tokens, 0)
    end
end

local function metrics()
    local lines, totals = {}, {}
    for name, service in pairs(data.services) do
        lines[#lines + 1] = format("rackwright_gateway_waiting{service=%q} %d", name, counted("line/" .. name))
        for _, replica in ipairs(service.all) do
            local labels = format("{service=%q,replica=%q}", name, replica.name)
            lines[#lines + 1] = format("rackwright_gateway_in_flight%s %d", labels, counted(replica.name))
            lines[#lines + 1] = format("rackwright_gateway_slots%s %d", labels, replica.slots)
            lines[#lines + 1] = format("rackwright_gateway_replica_in%s %d", labels, replica.usable and 1 or 0)
            lines[#lines + 1] = format("rackwright_gateway_replica_turn%s %d", labels, replica.turn and 1 or 0)
        end
    end
    for _, key in ipairs(usage:get_keys(0)) do
        local series = key:match("^sum:(.*)$")
        if series then totals[#totals + 1] = {series, usage:get(key) or 0} end
    end
    return lines, totals
end

-- Prometheus wants each bucket to have those below it too.
local function metrics_text()
    local lines, totals = metrics()
    local buckets = {}
    for _, pair in ipairs(totals) do
        local name, service, bound = pair[1]:match('^(.-)_bucket{service="(.-)",le="(.-)"}$')
        if name then
            buckets[name .. "\t" .. service] = buckets[name .. "\t" .. service] or {}
            buckets[name .. "\t" .. service][bound] = pair[2]
        else
            lines[#lines + 1] = pair[1] .. " " .. pair[2]
        end
    end
    for key, counts in pairs(buckets) do
        local name, service = key:match("^(.-)\t(.*)$")
        local below = 0
        for _, bound in ipairs(BUCKETS_S) do
            below = below + (counts[tostring(bound)] or 0)
            lines[#lines + 1] = format('%s_bucket{service=%q,le=%q} %d', name, service, tostring(bound), below)
        end
        lines[#lines + 1] = format('%s_bucket{service=%q,le="+Inf"} %d', name, service,
            usage:get(format("sum:%s_count{service=%q}", name, service)) or 0)
    end
    table.sort(lines)
    return concat(lines, "\n") .. "\n"
end

local function load()
    local new, why = read_data()
    if not new then return answer(422, cjson.encode({error = why}) .. "\n") end
    changed()
    refresh()
    return answer(200, cjson.encode({fleet = data.fleet_hash, keys = data.keys_count}) .. "\n")
end

local put_replica

do  -- what only this section names: Lua has room for 200 names in a file

local function is_text(value, most)
    return type(value) == "string" and value ~= "" and #value <= most and not find(value, "%c") and is_utf8(value)
end

local function is_number(value, least, most)
    return type(value) == "number" and value >= least and value <= most
end

local function is_flag(value) return value == nil or type(value) == "boolean" end

-- What is wrong with a body, in words.
local function wrong_in(asked)
    local turn, weight = asked.turn, given(asked.weight)
    local rules = {
        {is_flag(asked.drained), "drained must be true or false"},
        {asked.ejected == nil or asked.ejected == false, "ejected can only be set to false"},
        {weight == nil or is_number(weight, 0, 100), "weight must be 0 to 100, or null for the plan's"},
        {asked.why == nil or asked.why == "" or is_text(asked.why, 200), "why must be a short text"},
        {turn == nil or turn == cjson.null or type(turn) == "table", "turn must be an object, or null to end it"},
        {turn == nil or asked.drained == nil, "turn and drained do not go together"},
        {is_flag(asked.prove), "prove must be true or false"},
    }
    if turn == cjson.null then
        rules[#rules + 1] = {is_text(asked.owner, 100), "owner must be a short text"}
    elseif type(turn) == "table" then
        local hold_s = given(turn.hold_s)
        rules[#rules + 1] = {is_text(turn.owner, 100), "turn.owner must be a short text"}
        rules[#rules + 1] = {is_number(turn.for_s, 5, 3600), "turn.for_s must be 5 to 3600"}
        rules[#rules + 1] = {is_flag(turn.alone), "turn.alone must be true or false"}
        rules[#rules + 1] = {hold_s == nil or is_number(hold_s, 0, 3600), "turn.hold_s must be 0 to 3600"}
    end
    for _, rule in ipairs(rules) do
        if not rule[1] then return rule[2] end
    end
end

-- Within a change: a status, and what is answered.
local function changed_as_asked(name, asked)
    turns.finish_old()
    local replica = data.replicas[name]
    if not replica then return {404, {error = "not a replica of this gateway"}} end
    local forbids = asked.turn ~= nil and turns.put(replica, asked)
    if forbids then return {409, forbids} end
    if asked.drained ~= nil then
        if not asked.drained and state_of(replica) ~= "drained" then know(name, "quarantine", nil) end
        know(name, "drained", asked.drained and (asked.why or "by hand") or nil)
        know(name, "since", ngx.time())
        if not asked.drained then know(name, "turn", nil) end
    end
    if asked.ejected == false then know(name, "ejected", nil) end
    if asked.weight ~= nil then know(name, "weight", given(asked.weight)) end
end

function put_replica(name)
    if not data.replicas[name] then return answer(404, '{"error": "not a replica of this gateway"}\n') end
    ngx.req.read_body()
    local text = ngx.req.get_body_data() or ""
    local asked = text:match("^%s*{") and cjson.decode(text)
    local wrong = type(asked) ~= "table" and "the body is no JSON object" or wrong_in(asked)
    if wrong then return answer(400, cjson.encode({error = wrong}) .. "\n") end
    local refused = change(function() return changed_as_asked(name, asked) end)
    if refused then return answer(refused[1], cjson.encode(refused[2]) .. "\n") end
    local replica = data.replicas[name]
    local why = replica.router and routers.put_right(replica)
    replica = data.replicas[name]
    if why and not replica.usable then  -- it may get requests yet
        return answer(502, cjson.encode({error = format("%s: %s", name, why)}) .. "\n")
    end
    return answer(200, cjson.encode(replica_state(data.replicas[name])) .. "\n")
end

end

function M.socket()
    refresh()
    share_figures()
    local method, uri = ngx.req.get_method(), ngx.var.uri
    local replica = uri:match("^/replicas/(.+)$")
    if method == "GET" and uri == "/state" then return answer(200, cjson.encode(state()) .. "\n") end
    if method == "GET" and uri == "/metrics" then return answer(200, metrics_text(), "text/plain; version=0.0.4") end
    if method == "GET" and uri == "/usage" then
        local since = ngx.var.arg_since or os.date("!%Y-%m-01")
        if not since:match("^%d%d%d%d%-%d%d%-%d%d$") then return answer(400, '{"error": "since must be a day"}\n') end
        return answer(200, encoded(rows_since(since)) .. "\n")
    end
    if method == "POST" and uri == "/load" then return load() end
    if method == "POST" and uri == "/reloading" then return say_goodbye() end
    if method == "GET" and uri == "/reloading" then return await_streams() end
    if method == "PUT" and replica then return put_replica(replica) end
    return answer(404, '{"error": "not found"}\n')
end

-- The start ----------------------------------------------------------------------------------------

-- In the master, as root, at each start and reload: faulty data keeps Nginx as it was.
function M.init(where, state_where)
    folder, state_folder = where, state_where
    local new, why = read_data()
    if not new then error(why, 0) end
    local kept, full = texts:set("secrets", read_file(folder .. "/secrets.json") or "")
    if not kept then error("secrets.json: " .. full, 0) end
    take_secrets()
    data = new
    if not live:get("restored") then
        live:set("restored", true)
        restore_state()
        restore_usage()
    end
    changed()
end

local function tell_heard()
    for name, replica in pairs(data.replicas) do
        if replica.heard then
            live:set("heard:" .. name, replica.heard)
            replica.heard = nil
        end
    end
end

local AGING = 0.95  -- a second: the last half minute counts

-- How much each replica served of late, by all workers: among idle ones the least is next. One that is
-- out, or new, has as much as the busiest: it is not to get all that comes until it has caught up.
local function age_served(service)
    local most = 0
    for _, replica in ipairs(service.replicas) do
        local total = usage:get(replica.served_key) or 0
        replica.aged = (replica.aged or 0) * AGING + total - (replica.total or total)
        replica.total, replica.served = total, replica.aged
        if replica.weight > 0 then most = max(most, replica.aged / replica.weight) end
    end
    for _, replica in ipairs(service.replicas) do
        if not replica.usable then replica.aged, replica.served = most * replica.weight, most * replica.weight end
    end
end

local function each_second()
    write_notices()
    tell_heard()
    share_figures()
    turns.look()
    for _, service in pairs(data.services) do age_served(service) end
end

local LAST_SLOT = 255

-- Beyond so many workers, also of before reloads, they share the last: at worst one who waits is passed over.
local function take_slot()
    for number = 0, LAST_SLOT do
        if live:add("slot:" .. number, ngx.worker.pid()) then
            if number > (live:get("slots") or -1) then live:set("slots", number) end
            return number
        end
    end
    return LAST_SLOT
end

local function leave_slot()
    local key = "slot:" .. slot
    if live:get(key) == ngx.worker.pid() then live:delete(key) end
end

-- Of every worker that is not killed.
function M.stop()
    leave_slot()
    write_notices()
    share_figures()
    M.save_usage()
end

function M.start()
    began_s, slot = ngx.now(), take_slot()
    known_version = nil
    refresh()
    ngx.timer.every(1, each_second)
    begin_to_look_at_connections()
    if ngx.worker.id() ~= 0 then return end
    ngx.timer.every(ROUND_S, look_at_all)
    ngx.timer.every(5, function(premature)
        if premature then return end
        M.save_usage()
        give_back_of_the_dead()
    end)
end

-- Below crit, Nginx writes whole request lines into its error log, so it is kept at crit; a fault of
-- this file must be read there nevertheless.
local function guarded(phase)
    local run = M[phase]
    M[phase] = function()
        local done, why = pcall(run)
        if done then return end
        notice("fault in ", phase, ": ", tostring(why))
        if phase == "access" then return ngx.exit(500) end
    end
end

for _, phase in ipairs({"access", "balance", "failed", "header_filter", "body_filter", "log", "socket"}) do
    guarded(phase)
end

return M
