/** What is the same in all `welcome`s of a node, as text: there are as many of them as connections. */

import type { Config } from '../../config.js';
import { encodeSyncCursor } from '../../sync/sync-cursor.js';

export interface WelcomeTexts {
  /** What a `welcome` says of the node: fields, each behind a comma. */
  readonly node: string;
  /** How a `welcome` to a session ends that has no channels yet, from there on. */
  readonly plainTail: string;
}

export function welcomeTexts({ node: name, region, limits }: Config): WelcomeTexts {
  const fields = {
    node: name,
    region,
    heartbeat_ms: limits.heartbeatMs,
    limits: {
      message_bytes: limits.messageBytes,
      header_bytes: limits.headerBytes,
      cursor_bytes: Math.min(limits.cursorBytes, limits.messageBytes),
      channels: limits.channelsPerSession,
      publish_rate: limits.publishRate,
      publish_burst: limits.publishBurst,
      history: limits.historyMessages,
    },
  };
  const node = `,${JSON.stringify(fields).slice(1, -1)}`;
  return { node, plainTail: `${node},"sync_cursor":"${encodeSyncCursor([])}","last_seen_message_id":null,"channels":{}}` };
}
