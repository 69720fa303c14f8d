/** Signals that end a program. Node tells of them when the event loop turns. */
export const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Lets signals in. */
export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
