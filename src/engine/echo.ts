/** `sluice echo`: a plain WebSocket server that sends every message back, for conformance suites and benchmarks. */
import { createEngine, type CreateEngineOptions, type Engine } from './server.js';

export async function startEcho(options: Omit<CreateEngineOptions, 'open' | 'message' | 'close' | 'writable'>): Promise<Engine> {
  const engine: Engine = await createEngine({
    ...options,
    message: (connection, data, isText) => engine.send(connection, data, isText),
  });
  return engine;
}
