-- What wrk asks, and what it says at the end: one line of JSON. All is set by its environment.
local stream = os.getenv("STREAM") == "yes"
local tail = '"}],' .. (stream and '"stream":true,"seed":0,' or "") .. '"max_tokens":64}'
local head = '{"model":"chat","messages":[{"role":"user","content":"'
local words = "What is the colour of the sky over the harbour at noon? "
local size = tonumber(os.getenv("BODY_BYTES")) - #head - #tail

wrk.method = "POST"
wrk.body = head .. words:rep(math.ceil(size / #words)):sub(1, size) .. tail
wrk.headers["Host"] = "localhost"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("KEY")

local pause_ms = tonumber(os.getenv("PAUSE_MS"))
if pause_ms > 0 then
    function delay() return pause_ms end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format('{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "failed": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
