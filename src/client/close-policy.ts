/** What a close code means for the client (PROTOCOL.md, close codes). */
import type { ClientErrorCode } from './errors.js';

export type CloseAction =
  | { readonly do: 'stop'; readonly code: ClientErrorCode; readonly message: string }
  /** `forgetSession`: the resume token is worthless. `protocol`: counts towards the limit of protocol failures. */
  | { readonly do: 'reconnect'; readonly forgetSession: boolean; readonly protocol: boolean };

const RECONNECT: CloseAction = { do: 'reconnect', forgetSession: false, protocol: false };

/** `canRenew`: the next hello would carry other credentials than the last. */
export function closeAction(code: number, canRenew: boolean): CloseAction {
  switch (code) {
    case 1000:
      return { do: 'stop', code: 'closed', message: 'the gateway ended the session' };
    case 1008:
      return { do: 'stop', code: 'refused', message: 'the gateway refused this client by its policy (1008)' };
    case 4001:
      return { do: 'stop', code: 'taken_over', message: 'another connection took over this session (4001)' };
    case 4003:
      if (canRenew) return { do: 'reconnect', forgetSession: true, protocol: false };
      return { do: 'stop', code: 'not_authorised', message: 'the gateway did not accept the token (4003)' };
    case 4004:
      return { do: 'reconnect', forgetSession: true, protocol: false };
    // The same bytes would be sent again, so that repeating without end would only load the gateway.
    case 1002:
    case 1003:
    case 1007:
    case 1009:
    case 1010:
      return { do: 'reconnect', forgetSession: false, protocol: true };
    default:
      return RECONNECT;
  }
}
