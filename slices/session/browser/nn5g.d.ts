// Types of nn5g.js, the browser's client of sessions that move (docs/session.md). The script defines one global, nn5g.

declare namespace nn5g {
  /** One message of the program's. Text stays text, everything else is bytes. */
  interface Message {
    /** Number of the message in its direction, from 1, without holes except those a gap event tells. */
    seq: number;
    data: string | Uint8Array;
  }

  /** Another connection has been put to use. */
  interface Move {
    /** Address left. */
    from: string;
    to: string;
    /** planned: the old connection worked until the new one was in use. */
    kind: "planned" | "recovered";
  }

  interface Events {
    /** The first connection is in use. */
    open: { to: string };
    message: Message;
    /** The session goes on over another edge, or again over the same one. Nothing was lost. */
    move: Move;
    /** The connection in use has broken; others are being tried. */
    lost: { edge: string };
    /** The home has told all edges. */
    edges: { edges: string[] };
    /** Messages up to this number that did not come never will: the service gave them up. The session goes on. */
    gap: { to: number };
    /** The session has ended for good. unacknowledged: messages sent here that the program has not confirmed to have taken. */
    close: { reason: string; unacknowledged: number };
  }

  interface Options {
    /** Addresses to know before the home tells them: scheme, host and port, as "wss://host:8443". */
    edges?: string[];
    /** Milliseconds between looks for a nearer edge; default 30000, 0: never. */
    measureEvery?: number;
    /** false: WebSocket only. Otherwise a wss session tries WebTransport first, at the same host and port. */
    webTransport?: boolean;
    /** SHA-256 hashes of certificates to trust over WebTransport, and there only, beside those of the browser's authorities; read at each connection. */
    certificateHashes?: Uint8Array[];
    /** Replaces parts of what the browser offers; for tests. */
    environment?: Partial<Environment>;
  }

  interface Environment {
    WebSocket: unknown;
    WebTransport: unknown;
    TextEncoder: unknown;
    TextDecoder: unknown;
    AbortController: unknown;
    fetch: (url: string, init?: unknown) => Promise<{ status: number }>;
    now: () => number;
    random: () => number;
    setTimeout: (f: () => void, ms: number) => unknown;
    clearTimeout: (timer: unknown) => void;
    setInterval: (f: () => void, ms: number) => unknown;
    clearInterval: (timer: unknown) => void;
  }

  class Session {
    /** Opens a session at wss://host/path or ws://host/path. Throws SyntaxError for any other URL. */
    constructor(url: string, options?: Options);
    readonly path: string;
    /** 32 hexadecimal digits; empty before the first welcome. */
    readonly id: string;
    readonly state: "connecting" | "open" | "closed";
    /** Address of the edge in use, empty while there is none. */
    readonly edge: string;
    readonly edges: string[];
    /** What carries the session now, empty while there is no connection. */
    readonly transport: "webtransport" | "websocket" | "";
    /** Hand-offs so far. */
    readonly moves: number;
    /** Bytes sent here and not acknowledged by the program. */
    readonly bufferedAmount: number;
    /** Round trip page, edge, home and back, in milliseconds; of the last 64 heartbeats on this edge. 0: not known yet. */
    readonly rtt: { last: number; min: number; median: number };
    /** Calls the listener for each event of the type; the result takes it off again. */
    on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): () => void;
    /**
     * Resolves when the message is in the window: from then on it arrives once and in order, or close tells that it may not have.
     * Rejects when the session has ended, for a message above 262,143 bytes, and when 8 MiB wait already.
     */
    send(data: string | ArrayBuffer | ArrayBufferView): Promise<void>;
    /** Ends the session for good, at the home too. */
    close(): void;
    /** Goes over to an edge; the present connection serves until the new one is in use. */
    moveTo(address: string): void;
    /** Round trip to each edge in milliseconds, by fetch; 0 for one that does not answer, or whose certificate the browser does not trust. */
    measure(): Promise<{ address: string; rtt: number }[]>;
  }

  /** The edge to be at: the present one unless another is nearer by more than 20 % and more than 5 ms. Empty: none was reached. */
  function nearest(present: string, measured: { address: string; rtt: number }[]): string;

  interface Frame {
    type: number;
    session?: string;
    epoch?: number;
    seq?: number;
    ticket?: string;
    payload?: Uint8Array;
  }

  /** Bytes of a frame of the protocol, and back. decode throws for anything that is not exactly one frame. */
  function encode(frame: Frame): Uint8Array;
  function decode(bytes: Uint8Array): Frame;
}
