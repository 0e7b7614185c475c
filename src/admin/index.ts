export { startAdmin } from './server.js';
export type { AdminOptions, AdminServer } from './server.js';
export type { AdminBackend, AdminHistoryQuery, AdminMessage, AdminPublishResult, GatewayStats } from './backend.js';
