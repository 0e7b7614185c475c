/** How a header that cannot be used is answered: `err` 1002 where it carries an id, else close 1002. */

import type { Row } from '../../engine/port.js';
import { CLOSE, REPLY } from '../../errors.js';
import type { GatewayContext } from '../context.js';
import { readId, type Header, type HeaderFault } from './header.js';

/** The operation's id; null when it has none, and then the connection is being closed. */
export function requireId(context: GatewayContext, row: Row, header: Header): number | null {
  const id = readId(header);
  if (id === null) context.end(row, CLOSE.protocolError, 'id must be a number');
  return id;
}

export function refuse(context: GatewayContext, row: Row, id: number | null, fault: HeaderFault): void {
  if (id === null) context.end(row, CLOSE.protocolError, fault.message);
  else context.replies.error(row, id, REPLY.badRequest, fault.message);
}
