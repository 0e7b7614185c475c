export { startAgentCheck } from './agent-check.js';
export { prepareAdmin } from './server.js';
export type { AgentCheck } from './agent-check.js';
export type { AdminOptions, AdminServer, PreparedAdmin } from './server.js';
export type { AdminBackend, AdminHistoryQuery, AdminMessage, AdminPublishResult, DrainStatus, GatewayStats } from './backend.js';
