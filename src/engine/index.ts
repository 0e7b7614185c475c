export { startDetachedEngine, startEngine, type DetachedEngine, type EngineHost, type EngineStartOptions } from './host.js';
export { attachEngine, describeEngine, type AttachedEngine, type AttachmentEnd, type AttachOptions } from './attach.js';
export { startEcho } from './echo.js';
export { createEngine, Engine, type Connection, type CreateEngineOptions, type EngineHandlers, type UpgradeRequest } from './server.js';
export { RegionReader, type RegionCounters } from './reader.js';
export { loadNative, type UringProbe } from './native.js';
export type { EngineEvents, EngineNotice, EnginePort, OpenRequest, Row } from './port.js';
