/** Sluice as a library: whole servers, plain WebSocket servers on the engine, configuration and errors. */

export { startServer, type Server, type ServerOptions } from './gateway/server.js';
export {
  createEngine,
  Engine,
  type Connection,
  type CreateEngineOptions,
  type EngineHandlers,
  type UpgradeRequest,
} from './engine/index.js';
export { RegionReader, type RegionCounters } from './engine/index.js';
export { makeConfig, mergeConfig, parseDuration, parseSize, readConfigFile, type Config, type RawConfig } from './config.js';
export * from './errors.js';
