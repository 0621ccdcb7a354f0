// Runs calls of the published Browserbase SDK and says what each gave. Reads a JSON array of jobs from standard input, writes a JSON
// array of outcomes. A job: {name, client: {baseURL, apiKey, timeout?, maxRetries?}, faults?, call, args, abort_ms?}; `faults` are
// posted to the provider's control path before the call and cleared after it. An outcome: {name, ms, result} or {name, ms, error}.
import Browserbase from '@browserbasehq/sdk';

const read = async (stream) => {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
};

const calls = {
  create: (bb, ...args) => bb.sessions.create(...args),
  retrieve: (bb, ...args) => bb.sessions.retrieve(...args),
  list: (bb, ...args) => bb.sessions.list(...args),
  update: (bb, ...args) => bb.sessions.update(...args),
  debug: (bb, ...args) => bb.sessions.debug(...args),
  project: (bb, ...args) => bb.projects.retrieve(...args),
  projects: (bb, ...args) => bb.projects.list(...args),
  usage: (bb, ...args) => bb.projects.usage(...args),
};

const control = async (base, method, body) => {
  const answer = await fetch(`${base}/control/faults`, { method, body });
  if (!answer.ok) throw new Error(`control: ${answer.status} ${await answer.text()}`);
};

// The first code along the chain of causes is the errno, where there is one.
const described = (error) => {
  const outcome = { name: error.constructor.name, property_name: error.name, message: error.message, causes: [] };
  if (error.status !== undefined) outcome.status = error.status;
  for (let cause = error; cause; cause = cause.cause) {
    if (cause !== error) outcome.causes.push(`${cause.constructor.name}: ${cause.message}`);
    if (typeof cause.code === 'string' && outcome.errno === undefined) outcome.errno = cause.code;
  }
  return outcome;
};

const outcomes = [];
for (const job of JSON.parse(await read(process.stdin))) {
  const faults = job.faults ?? [];
  if (faults.length) await control(job.control, 'POST', JSON.stringify(faults));
  const bb = new Browserbase(job.client);
  const options = job.abort_ms ? [{ signal: AbortSignal.timeout(job.abort_ms) }] : [];
  const began = performance.now();
  const outcome = { name: job.name };
  try {
    outcome.result = await calls[job.call](bb, ...(job.args ?? []), ...options);
  } catch (error) {
    outcome.error = described(error);
  }
  outcome.ms = performance.now() - began;
  if (faults.length) await control(job.control, 'DELETE');
  outcomes.push(outcome);
}
process.stdout.write(JSON.stringify(outcomes));
