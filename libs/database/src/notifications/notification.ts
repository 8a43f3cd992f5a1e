// What an application sees of LISTEN: the notifications, the gaps between them, and the subscription.

/** One NOTIFY, as it arrived. */
export interface DatabaseNotification {
  readonly channel: string;
  /** At most 7999 bytes; empty for a NOTIFY without one. */
  readonly payload: string;
  /** The backend that sent it. */
  readonly backendPid: number;
}

/** A time in which notifications may have been lost: read what you keep in step with anew. */
export interface NotificationGap {
  readonly channel: string;
  /** Up to this moment nothing is missing; wall time in ms since 1970. */
  readonly fromMs: number;
  /** From this moment on nothing is missing; wall time in ms since 1970. */
  readonly toMs: number;
  /** How long the server was not heard, in ms; 0 when only the handler was too slow. */
  readonly downMs: number;
  /** Notifications that came and were dropped, for the handler was too slow; what a dead line lost nobody can count. */
  readonly dropped: number;
}

/** Takes notifications one after the other: the next one waits for the promise of the last. */
export type NotificationHandler = (notification: DatabaseNotification) => void | Promise<void>;

/** Options of `listen`. */
export interface ListenOptions {
  /** Called in the order of the notifications, in place of those that are missing. */
  readonly onGap?: ((gap: NotificationGap) => void | Promise<void>) | undefined;
  /** Longest time until the server has acknowledged it, in ms. @default listen.readyTimeoutMs */
  readonly timeoutMs?: number | undefined;
  /** Gives up while it is not acknowledged, and closes the subscription later. */
  readonly signal?: AbortSignal | undefined;
}

/** A handler on a channel. */
export interface Subscription {
  readonly channel: string;
  /** True while the server is known to send: false during a reconnect, and after the end. */
  readonly isListening: boolean;
  /** Ends it: from now on the handler is not called. Resolves once the server was told, where it has to be. */
  close(): Promise<void>;
}
