// One request of each kind by OpenAI's JavaScript library, and what came of it as one line of JSON.
// Environment: BASE_URL, API_KEY; NODE_EXTRA_CA_CERTS says whom to trust.
import OpenAI, { toFile } from 'openai';

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const messages = [{ role: 'user', content: 'hi' }];
const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const chat = (more) => client.chat.completions.create({ model: 'gpt-4o', messages, ...more });

async function events(stream) {
  const all = [];
  for await (const event of await stream) all.push(event);
  return all;
}

const kinds = {
  chat: async () => (await chat()).choices[0].message.content,
  tool: async () => (await chat({ tools })).choices[0].message.tool_calls[0].function.arguments,
  stream: async () => (await events(chat({ stream: true }))).map((one) => one.choices[0].delta.content),
  usage: async () => (await events(chat({ stream: true, stream_options: { include_usage: true } }))).at(-1).usage.total_tokens,
  tool_stream: async () =>
    (await client.chat.completions.stream({ model: 'chat', messages, tools }).finalChatCompletion())
      .choices[0].message.tool_calls[0].function.arguments,
  completion: async () => (await client.completions.create({ model: 'chat', prompt: 'hi' })).choices[0].text,
  response: async () => (await client.responses.create({ model: 'chat', input: 'hi' })).output_text,
  response_stream: async () => (await events(client.responses.create({ model: 'chat', input: 'hi', stream: true }))).at(-1).type,
  embeddings: async () => (await client.embeddings.create({ model: 'pool', input: ['a', 'b'] })).data.map((one) => one.embedding),
  transcription: async () =>
    (await client.audio.transcriptions.create({ model: 'whisper-1', file: await toFile(Buffer.from('RIFF'), 'a b.wav') })).text,
  image: async () => (await client.images.generate({ model: 'voice', prompt: 'hi' })).data[0].b64_json,
  models: async () => (await events(client.models.list())).map((one) => one.id),
  model: async () => (await client.models.retrieve('org/sql')).id,
  unknown_model: () => chat({ model: 'nobody' }),
  unknown_path: () => client.moderations.create({ input: 'hi' }),
  no_name: () => chat({ model: 3 }),
  engine_fault: () => chat({ stand_in: { status: 500 } }),
  engine_lost: () => chat({ stand_in: { die: true } }),
  hang_up: async () => {
    const stream = await chat({ stream: true, max_tokens: 1000, stand_in: { pause_s: 0.05 } });
    for await (const _ of stream) break;
    return 'hung up';
  },
};

const said = {};
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(kinds)) {
  try {
    said[name] = { answer: await kinds[name]() };
  } catch (error) {
    said[name] = {
      error: error.constructor.name, status: error.status, code: error.code ?? null, request_id: error.requestID ?? null,
      retry_after: error.headers?.get?.('retry-after') ?? null,
    };
  }
}
console.log(JSON.stringify(said));
