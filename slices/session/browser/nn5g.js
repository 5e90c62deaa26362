// nn5g.js: sessions that move between edges, for browsers. No dependencies. Protocol, promises and examples: docs/session.md; types:
// nn5g.d.ts. As a script or as a module it defines one global, nn5g.
//
//   const session = new nn5g.Session("wss://shop.example/room/7");
//   session.on("message", (m) => show(m.data));
//   await session.send("hello");
(function (root) {
  "use strict";

  const HELLO = 1, WELCOME = 2, DATA = 3, ACK = 4, PING = 5, PONG = 6, CONFIRM = 7, MOVE = 8, TICKET = 9, GAP = 10, CLOSE = 11, EDGES = 12;
  const TEXT = 1, BINARY = 2; // first byte of a message's payload
  const PLANNED = 1, RECOVERED = 2; // what a confirmation says of the move
  const SUBPROTOCOL = "nn5g.v1";
  const RTT_PATH = "/.well-known/nexus/rtt";
  const PAYLOAD_BYTES_MAX = 256 << 10, TICKET_BYTES_MAX = 2 << 10;
  const OVERHEAD_BYTES = 64; // counted per kept message, so that empty ones are bounded too
  const ACK_EVERY = 8; // messages
  const QUEUE_BYTES_MAX = 8 << 20; // waiting for room in the window
  const CLOSED_HERE = "closed by the client";

  // How many heartbeats without an answer until another edge is tried; until a connection is given up; the same before its welcome.
  const SUSPECT_AFTER = 2, SILENT_AFTER = 10, WELCOME_AFTER = 20;
  const TICK_MS = 20, RACE_WIDTH = 2;
  const RETRY_MS_MIN = 50, RETRY_MS_MAX = 5000;
  const FAILED_FOR_MS = 1000; // an edge found dead is no first choice for so long
  const MEASURE_MS = 30000, MEASURE_PROBES = 3, MEASURE_LIMIT_MS = 2000;
  const NEARER_PERCENT = 20, NEARER_BY_MS = 5; // a move for nearness must gain more than both
  const RTT_SAMPLES = 64;
  const WEB_WAIT_MS = 500, WEB_FAILED_FOR_MS = 300000; // WebTransport has so long to open; then WebSocket is used, for so long

  class ProtocolError extends Error {}

  // ---- frames ----

  const EMPTY = new Uint8Array(0);

  function encode(f) {
    const ticket = f.ticket || "", payload = f.payload || EMPTY;
    const out = new Uint8Array(1 + 4 * 8 + ticket.length + payload.length);
    let n = 0;
    const number = (x) => {
      for (; x >= 128; x = Math.floor(x / 128)) out[n++] = (x % 128) + 128;
      out[n++] = x;
    };
    out[n++] = f.type;
    number(f.epoch || 0);
    number(f.seq || 0);
    number(ticket.length);
    for (let i = 0; i < ticket.length; i++) out[n++] = ticket.charCodeAt(i); // a ticket is ASCII
    number(payload.length);
    out.set(payload, n);
    return out.subarray(0, n + payload.length);
  }

  function reader(b) {
    let at = 0;
    return {
      left: () => b.length - at,
      number(limit) {
        let x = 0, scale = 1;
        for (;;) {
          if (at >= b.length) throw new ProtocolError("frame cut short");
          const c = b[at++];
          x += (c & 127) * scale;
          if (x > limit) throw new ProtocolError("number too large");
          if (c < 128) {
            if (c === 0 && scale > 1) throw new ProtocolError("number longer than needed");
            return x;
          }
          scale *= 128;
        }
      },
      take(count) {
        if (count > b.length - at) throw new ProtocolError("frame cut short");
        at += count;
        return b.subarray(at - count, at);
      },
    };
  }

  function decode(b) {
    if (b.length === 0 || b[0] < HELLO || b[0] > EDGES) throw new ProtocolError("unknown frame");
    const r = reader(b);
    const f = { type: r.take(1)[0], session: "" };
    if (f.type === WELCOME) for (const c of r.take(16)) f.session += (c < 16 ? "0" : "") + c.toString(16);
    f.epoch = r.number(Number.MAX_SAFE_INTEGER);
    f.seq = r.number(Number.MAX_SAFE_INTEGER);
    f.ticket = ascii(r.take(r.number(TICKET_BYTES_MAX)));
    f.payload = r.take(r.number(PAYLOAD_BYTES_MAX));
    if (r.left() !== 0) throw new ProtocolError("bytes left over");
    return f;
  }

  function ascii(b) {
    let s = "";
    for (const c of b) s += String.fromCharCode(c);
    return s;
  }

  // ---- the session's end, without sockets and clocks ----

  // Core numbers, keeps, repeats, drops and fences. Its methods return what is to be done: outs (frames for connections), messages,
  // drop (connections to close), move and edges (addresses), suspect, switched, ended.
  class Core {
    constructor() {
      this.heartbeat = 100;
      this.retainBytes = 1 << 20;
      this.id = "";
      this.epoch = 0;
      this.ticket = "";
      this.received = 0; // last number received
      this.taken = 0; // last number that the page took: what is acknowledged
      this.unacked = 0;
      this.first = 1; // number of kept[0]
      this.kept = []; // sent and not acknowledged
      this.keptBytes = 0;
      this.conns = new Map(); // by number, oldest first
      this.active = 0;
      this.ended = false;
      this.rtt = 0; // ms, of the last answered ping
    }

    get lastSent() { return this.first + this.kept.length - 1; }

    room(bytes) { return this.kept.length === 0 || this.keptBytes + bytes + OVERHEAD_BYTES <= this.retainBytes; }

    acked(seq) {
      if (seq > this.lastSent) throw new ProtocolError(`acknowledgement of ${seq}, ${this.lastSent} were sent`);
      const n = seq - this.first + 1;
      if (n <= 0) return;
      for (const p of this.kept.splice(0, n)) this.keptBytes -= p.length + OVERHEAD_BYTES;
      this.first += n;
    }

    connected(now, at) {
      // waitingSince: since when an answer is owed; owed: pings since then. Both must be long for an edge to count as silent, so that a
      // page whose timers stand still (hidden, asleep) does not take its own silence for the edge's.
      // grace: how long the welcome took, as the first pong is as far away; 0 once that has come.
      this.conns.set(at, { epoch: 0, begun: now, grace: 0, waitingSince: now, owed: 0, pingDue: now, suspect: false, pings: new Map(), count: 0 });
      return { to: at, frame: { type: HELLO, ticket: this.ticket, seq: this.received } };
    }

    // lost reports whether no connection is in use now.
    lost(at) {
      this.conns.delete(at);
      if (this.active === at) this.active = 0;
      return this.active === 0 && !this.ended;
    }

    send(payload) {
      this.kept.push(payload);
      this.keptBytes += payload.length + OVERHEAD_BYTES;
      return this.active === 0 ? {} : { outs: [{ to: this.active, frame: { type: DATA, seq: this.lastSent, payload } }] };
    }

    receive(now, at, f) {
      const k = this.conns.get(at);
      if (!k || this.ended) return {};
      if (k.epoch === 0 && f.type !== WELCOME && f.type !== CLOSE) throw new ProtocolError("a frame before the welcome");
      k.waitingSince = k.owed = 0;
      k.suspect = false;
      switch (f.type) {
        case WELCOME:
          k.grace = now - k.begun;
          return this.welcome(at, k, f);
        case DATA: return this.data(f);
        case ACK: this.acked(f.seq); return {};
        case PONG: this.pong(now, at, k, f.seq); return {};
        case TICKET: this.takeTicket(k, f.ticket); return {};
        case MOVE: this.takeTicket(k, f.ticket); return { move: lines(f.payload) };
        case EDGES: return { edges: lines(f.payload) };
        case CLOSE: return this.closed(at, ascii(f.payload));
        case GAP:
          if (this.received >= f.seq) return {};
          this.received = f.seq;
          return { messages: [{ seq: f.seq, gap: true }] };
      }
      throw new ProtocolError("a frame that no home sends");
    }

    // welcome puts a newer connection to use: what is unacknowledged goes over it again, then the confirmation fences the older ones.
    // In this order the home takes the old connection's messages until these are there.
    welcome(at, k, f) {
      if (k.epoch !== 0 || f.epoch === 0 || (this.id !== "" && f.session !== this.id)) throw new ProtocolError("a welcome that does not fit");
      this.acked(f.seq);
      k.epoch = f.epoch;
      if (f.epoch <= this.epoch) return { drop: [at] }; // a slower racer
      const old = this.conns.get(this.active);
      const kind = old && !old.suspect ? PLANNED : RECOVERED;
      const settings = reader(f.payload);
      if (settings.left() > 0) this.heartbeat = Math.max(1, settings.number(60000));
      if (settings.left() > 0) this.retainBytes = settings.number(64 << 20);
      this.id = f.session;
      this.epoch = f.epoch;
      this.ticket = f.ticket;
      this.active = at;
      this.unacked++; // an acknowledgement may have gone down with the connection before
      const outs = this.kept.map((payload, i) => ({ to: at, frame: { type: DATA, seq: this.first + i, payload } }));
      outs.push({ to: at, frame: { type: CONFIRM, epoch: f.epoch, seq: kind } });
      const drop = [];
      for (const [other, o] of this.conns) if (other !== at && o.epoch === 0) drop.push(other);
      return { outs, drop, switched: kind === PLANNED ? "planned" : "recovered" };
    }

    // data takes the next number only: lower ones came over the other connection already, a higher one breaks the protocol.
    data(f) {
      if (f.seq <= this.received) return {};
      if (f.seq !== this.received + 1) throw new ProtocolError(`message ${f.seq} after ${this.received}`);
      this.received = f.seq;
      return { messages: [{ seq: f.seq, payload: f.payload }] };
    }

    take(seq) {
      if (seq <= this.taken || seq > this.received) return {};
      this.taken = seq;
      if (++this.unacked < ACK_EVERY || this.active === 0) return {};
      return { outs: [this.ackOut()] };
    }

    ackOut() {
      this.unacked = 0;
      return { to: this.active, frame: { type: ACK, seq: this.taken } };
    }

    pong(now, at, k, seq) {
      const sent = k.pings.get(seq);
      if (sent === undefined) return;
      for (const n of k.pings.keys()) if (n <= seq) k.pings.delete(n);
      k.trip = now - sent;
      k.grace = 0;
      if (at === this.active) this.rtt = k.trip;
    }

    // takeTicket keeps the newest connection's ticket; one of an older epoch may be spent already.
    takeTicket(k, ticket) {
      if (k.epoch >= this.epoch && ticket !== "") this.ticket = ticket;
    }

    closed(at, reason) {
      const drop = [at];
      if (reason === "moved" || reason === "replaced" || reason.startsWith("edge: ")) return { drop };
      if (this.active !== at && this.active !== 0) return { drop };
      this.ended = true;
      return { drop, ended: reason };
    }

    tick(now) {
      const r = { outs: [], drop: [] };
      for (const [at, k] of this.conns) {
        const silent = k.waitingSince > 0 ? Math.floor((now - k.waitingSince - k.grace) / this.heartbeat) : 0; // heartbeats
        if (k.epoch === 0 ? silent >= WELCOME_AFTER : silent >= SILENT_AFTER && k.owed >= SILENT_AFTER) {
          r.drop.push(at);
          continue;
        }
        if (at === this.active && !k.suspect && silent >= SUSPECT_AFTER && k.owed >= SUSPECT_AFTER) k.suspect = r.suspect = true;
        if (k.epoch !== 0 && now >= k.pingDue) r.outs.push(this.ping(now, at, k));
      }
      if (this.unacked > 0 && this.active !== 0) r.outs.push(this.ackOut());
      return r;
    }

    ping(now, at, k) {
      k.pingDue = now + this.heartbeat;
      if (k.waitingSince === 0) k.waitingSince = now;
      k.owed++;
      k.count++;
      k.pings.set(k.count, now);
      const epoch = Math.round((k.trip || 0) * 1000); // the last round trip in microseconds, for the home's figures
      k.trip = 0;
      return { to: at, frame: { type: PING, epoch, seq: k.count } };
    }
  }

  function lines(b) { return ascii(b).split("\n").filter((s) => s !== ""); }

  // nearest gives the edge to be at: the present one unless another one's round trip is shorter by more than a fifth and 5 ms.
  function nearest(present, measured) {
    let best = null, here = 0;
    for (const m of measured) {
      if (!(m.rtt > 0)) continue;
      if (m.address === present) here = m.rtt;
      if (best === null || m.rtt < best.rtt) best = m;
    }
    if (best === null) return "";
    if (here > 0 && (here - best.rtt <= NEARER_BY_MS || best.rtt * 100 >= here * (100 - NEARER_PERCENT))) return present;
    return best.address;
  }

  // ---- transports ----

  // openWebSocket begins a connection; to has opened(), frame(bytes) and lost(). It gives send(bytes) and close(last bytes or none).
  function openWebSocket(env, url, to) {
    const ws = new env.WebSocket(url, SUBPROTOCOL);
    ws.binaryType = "arraybuffer";
    ws.onopen = () => (ws.protocol === SUBPROTOCOL ? to.opened() : ws.close());
    ws.onmessage = (e) => (typeof e.data === "string" ? ws.close() : to.frame(new Uint8Array(e.data)));
    ws.onclose = () => to.lost();
    return {
      kind: "websocket",
      send: (b) => ws.send(b),
      close() {
        ws.onopen = ws.onmessage = ws.onclose = null; // a browser may take its time to tell; nobody waits for it
        ws.close();
      },
    };
  }

  // sized puts a frame's length before it; unsized gives a function that takes a stream's chunks and gives whole frames to take.
  function sized(frame) {
    const head = [];
    let n = frame.length;
    for (; n >= 128; n = Math.floor(n / 128)) head.push((n % 128) + 128);
    head.push(n);
    const out = new Uint8Array(head.length + frame.length);
    out.set(head);
    out.set(frame, head.length);
    return out;
  }

  function unsized(take) {
    let frame = null, filled = 0, length = 0, scale = 1;
    return (chunk) => {
      for (let at = 0; at < chunk.length; ) {
        if (frame === null) {
          const c = chunk[at++];
          length += (c & 127) * scale;
          if (length > PAYLOAD_BYTES_MAX + TICKET_BYTES_MAX + 64) throw new ProtocolError("frame too long");
          scale *= 128;
          if (c >= 128) continue;
          frame = new Uint8Array(length);
          filled = 0;
        }
        const part = chunk.subarray(at, at + length - filled);
        frame.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < length) return;
        const whole = frame;
        frame = null;
        length = 0;
        scale = 1;
        take(whole);
      }
    };
  }

  // openWebTransport does the same over one bidirectional stream.
  function openWebTransport(env, url, hashes, to) {
    const web = new env.WebTransport(url, hashes.length === 0 ? {} : {
      serverCertificateHashes: hashes.map((value) => ({ algorithm: "sha-256", value })),
    });
    let writer = null, over = false;
    const lost = () => {
      if (!over) to.lost();
      over = true;
    };
    const listen = async () => {
      await web.ready;
      const stream = await web.createBidirectionalStream();
      if (over) return;
      writer = stream.writable.getWriter();
      to.opened();
      const reader = stream.readable.getReader(), feed = unsized((frame) => to.frame(frame));
      for (;;) {
        const { value, done } = await reader.read();
        if (done || over) return;
        feed(value);
      }
    };
    listen().then(lost, lost);
    web.closed.then(lost, lost);
    const end = () => { try { web.close(); } catch (error) { over = true; /* it never opened */ } };
    return {
      kind: "webtransport",
      send: (b) => { writer.write(sized(b)).catch(lost); },
      close() {
        over = true;
        if (writer === null) end();
        else writer.close().then(end, end); // what was written goes first
        env.setTimeout(end, 1000); // an edge that is dead takes nothing
      },
    };
  }

  // openBest tries WebTransport and, when that fails or takes its time, WebSocket at the same edge, which is then noted.
  function openBest(env, address, path, hashes, noteFailure, to) {
    let wire = null, settled = false;
    const webSocket = () => {
      if (settled) return;
      settled = true;
      env.clearTimeout(timer);
      noteFailure();
      if (wire !== null) wire.close();
      wire = openWebSocket(env, address + path, to);
    };
    const timer = env.setTimeout(webSocket, WEB_WAIT_MS);
    try {
      wire = openWebTransport(env, "https" + address.slice("wss".length) + path, hashes, {
        opened() {
          settled = true;
          env.clearTimeout(timer);
          to.opened();
        },
        frame: (b) => to.frame(b),
        lost: () => (settled ? to.lost() : webSocket()),
      });
    } catch (error) { // not to the browser's liking
      webSocket();
    }
    return {
      get kind() { return wire.kind; },
      send: (b) => wire.send(b),
      close() {
        settled = true;
        env.clearTimeout(timer);
        wire.close();
      },
    };
  }

  // ---- what a page uses ----

  class Session {
    constructor(url, options = {}) {
      const parts = /^(wss?:\/\/[^/?#]+)(\/[^#]*)?$/.exec(url);
      if (!parts) throw new SyntaxError(`${url}: not a session's URL; use wss://host/path or ws://host/path`);
      this.path = parts[2] || "/";
      this._env = Object.assign(defaults(), options.environment);
      this._measureMs = options.measureEvery === undefined ? MEASURE_MS : options.measureEvery;
      this._core = new Core();
      this._conns = new Map(); // number to {address, wire, isOpen}
      this._next = 0;
      this._scheme = parts[1].split(":")[0];
      this._webTransport = options.webTransport !== false && this._scheme === "wss" && Boolean(this._env.WebTransport);
      this._hashes = options.certificateHashes || [];
      this._webFailed = new Map(); // when WebTransport was last found not to work at an edge
      this._edges = [parts[1]];
      this._learn(options.edges || []);
      this._failed = new Map(); // when an edge was last found dead
      this._retryAt = 0;
      this._retryMs = RETRY_MS_MIN;
      this._queue = []; // messages that wait for room in the window
      this._queueBytes = 0;
      this._listeners = new Map();
      this._edge = "";
      this._left = ""; // the edge in use before, while there is none
      this._rtts = [];
      this._rttAt = 0;
      this._moves = 0;
      this._end = null; // the reason, once it has ended
      this._connect(this._edges[0]);
      this._timer = this._env.setInterval(() => this._tick(), TICK_MS);
      this._measurer = this._measureMs > 0 ? this._env.setInterval(() => this._roam(), this._measureMs) : null;
    }

    get id() { return this._core.id; }
    get state() { return this._end !== null ? "closed" : this._core.active !== 0 ? "open" : "connecting"; }
    get edge() { return this._edge; }
    get transport() { return this._core.active === 0 || this._end !== null ? "" : this._conns.get(this._core.active).wire.kind; }
    get edges() { return this._edges.slice(); }
    get moves() { return this._moves; }
    get bufferedAmount() { return this._core.keptBytes - OVERHEAD_BYTES * this._core.kept.length + this._queueBytes; }

    // rtt: round trip to the home and back over the edge in use, in ms: last, least and median of the last 64 heartbeats.
    get rtt() {
      const sorted = this._rtts.slice().sort((a, b) => a - b);
      return { last: this._core.rtt, min: sorted[0] || 0, median: sorted[sorted.length >> 1] || 0 };
    }

    on(type, listener) {
      if (!this._listeners.has(type)) this._listeners.set(type, new Set());
      this._listeners.get(type).add(listener);
      return () => this._listeners.get(type).delete(listener);
    }

    // send resolves when the message is in the window: from then on it arrives once and in order, or the session's end is told.
    send(data) {
      if (this._end !== null) return Promise.reject(new Error(`session has ended: ${this._end}`));
      const payload = this._payload(data);
      if (payload.length > PAYLOAD_BYTES_MAX) {
        return Promise.reject(new RangeError(`message of ${payload.length - 1} bytes, at most ${PAYLOAD_BYTES_MAX - 1}: split it`));
      }
      if (this._queue.length === 0 && this._core.room(payload.length)) {
        this._act(this._core.send(payload));
        return Promise.resolve();
      }
      if (this._queueBytes + payload.length > QUEUE_BYTES_MAX) {
        return Promise.reject(new RangeError(`${this._queueBytes} bytes wait for the other side already: await send()`));
      }
      this._queueBytes += payload.length;
      return new Promise((resolve, reject) => this._queue.push({ payload, resolve, reject }));
    }

    close() {
      const c = this._conns.get(this._core.active);
      if (this._end === null && c) c.wire.send(encode({ type: CLOSE, payload: new this._env.TextEncoder().encode(CLOSED_HERE) }));
      this._finish(CLOSED_HERE);
    }

    // moveTo goes over to an edge; the present connection serves until the new one is in use.
    moveTo(address) { this._connect(address); }

    // measure gives the round trip to each edge in ms, 0 for one that does not answer.
    measure() { return Promise.all(this._edges.map((address) => this._measure(address).then((rtt) => ({ address, rtt })))); }

    // ---- inside ----

    _payload(data) {
      let bytes, kind = BINARY;
      if (typeof data === "string") {
        bytes = new this._env.TextEncoder().encode(data);
        kind = TEXT;
      } else if (data instanceof ArrayBuffer) {
        bytes = new Uint8Array(data);
      } else if (ArrayBuffer.isView(data)) {
        bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      } else {
        throw new TypeError("a message is a string, an ArrayBuffer or a view of one");
      }
      const out = new Uint8Array(bytes.length + 1);
      out[0] = kind;
      out.set(bytes, 1);
      return out;
    }

    // _emit calls every listener, also when one throws; its error is then the page's, as in an event handler.
    _emit(type, event) {
      for (const listener of Array.from(this._listeners.get(type) || [])) {
        try {
          listener(event);
        } catch (error) {
          this._env.setTimeout(() => { throw error; }, 0);
        }
      }
    }

    _connect(address) {
      if (this._end !== null || this._trying(address)) return;
      // Without a ticket each hello would open a session of its own: one at a time.
      if (this._core.ticket === "" && this._conns.size > 0) return;
      const at = ++this._next;
      const c = { address, wire: null, isOpen: false, since: this._env.now() };
      this._conns.set(at, c);
      try {
        c.wire = this._open(address, {
          opened: () => {
            if (!this._conns.has(at)) return;
            c.isOpen = true;
            this._out(this._core.connected(this._env.now(), at));
          },
          frame: (b) => this._frame(at, b),
          lost: () => this._lose(at),
        });
      } catch (error) { // not allowed from this page, or no address at all
        this._conns.delete(at);
        this._failed.set(address, this._env.now());
      }
    }

    _open(address, to) {
      const now = this._env.now();
      if (!this._webTransport || now - (this._webFailed.get(address) || -WEB_FAILED_FOR_MS) < WEB_FAILED_FOR_MS) {
        return openWebSocket(this._env, address + this.path, to);
      }
      return openBest(this._env, address, this.path, this._hashes, () => this._webFailed.set(address, now), to);
    }

    _trying(address) {
      for (const [at, c] of this._conns) if (c.address === address && at !== this._core.active) return true;
      return false;
    }

    _frame(at, bytes) {
      if (!this._conns.has(at)) return;
      try {
        this._act(this._core.receive(this._env.now(), at, decode(bytes)));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this._lose(at);
      }
      this._flush();
    }

    _flush() {
      while (this._queue.length > 0 && this._end === null && this._core.room(this._queue[0].payload.length)) {
        const { payload, resolve } = this._queue.shift();
        this._queueBytes -= payload.length;
        this._act(this._core.send(payload));
        resolve();
      }
    }

    _out(o) {
      const c = this._conns.get(o.to);
      if (c) c.wire.send(encode(o.frame));
    }

    _act(r) {
      if (r.outs) r.outs.forEach((o) => this._out(o));
      if (r.switched) this._switched(r.switched);
      if (r.messages) r.messages.forEach((m) => this._deliver(m));
      if (r.edges && r.edges.length > 0) {
        this._edges = [];
        this._learn(r.edges);
        if (this._edge !== "") this._learn([this._edge]);
        this._emit("edges", { edges: this.edges });
      }
      const move = (r.move || []).map((a) => this._own(a)).filter((a) => a !== "");
      if (move.length > 0) this._connect(this._best(move));
      if (r.suspect) this._recover(this._edge);
      if (r.drop) r.drop.forEach((at) => this._lose(at));
      if (r.ended !== undefined) this._finish(r.ended);
    }

    _deliver(m) {
      if (m.gap) {
        this._emit("gap", { to: m.seq });
      } else {
        const text = m.payload[0] === TEXT;
        const bytes = m.payload.slice(1);
        this._emit("message", { seq: m.seq, data: text ? new this._env.TextDecoder().decode(bytes) : bytes });
      }
      if (this._end === null) this._act(this._core.take(m.seq));
    }

    _switched(kind) {
      const from = this._edge || this._left;
      this._edge = this._conns.get(this._core.active).address;
      this._retryMs = RETRY_MS_MIN;
      this._rtts = [];
      if (from !== "") this._moves++;
      if (from === "") this._emit("open", { to: this._edge });
      else this._emit("move", { from, to: this._edge, kind });
    }

    _learn(addresses) {
      for (const a of addresses.map((b) => this._own(b))) if (a !== "" && !this._edges.includes(a)) this._edges.push(a);
    }

    // _own gives an address in the session's own scheme, empty when it is of another: a secure session goes to no plain edge.
    // An edge's WebTransport has the port of its wss.
    _own(address) {
      const a = this._scheme === "wss" ? address.replace(/^https:/, "wss:") : address;
      return a.startsWith(this._scheme + ":") ? a : "";
    }

    _lose(at) {
      const c = this._conns.get(at);
      if (!c) return;
      this._conns.delete(at);
      c.wire.close();
      const wasActive = this._core.active === at;
      if (!c.isOpen) this._failed.set(c.address, this._env.now());
      if (!this._core.lost(at)) return;
      this._failed.set(c.address, this._env.now());
      if (wasActive) {
        this._left = this._edge;
        this._edge = "";
        this._retryAt = 0;
        this._emit("lost", { edge: c.address });
      }
      this._recover(c.address);
    }

    // _recover dials edges other than the one that failed, a few at once, that one when there is no other; further tries wait longer
    // and longer, by a random part of the pause, so that the clients of a dead edge do not come back in step.
    _recover(except) {
      const now = this._env.now();
      if (this._end !== null || now < this._retryAt || (except === "" && this._core.active !== 0)) return;
      this._retryAt = now + this._retryMs * (0.5 + this._env.random() / 2);
      this._retryMs = Math.min(this._retryMs * 2, RETRY_MS_MAX);
      const order = this._edges.slice().sort((a, b) => (this._failed.get(a) || 0) - (this._failed.get(b) || 0));
      const others = order.filter((a) => a !== except && !this._trying(a)).slice(0, RACE_WIDTH);
      if (others.length === 0 && this._core.active === 0 && except !== "") others.push(except);
      others.forEach((a) => this._connect(a));
    }

    _best(list) {
      return list.find((a) => this._env.now() - (this._failed.get(a) || -FAILED_FOR_MS) > FAILED_FOR_MS) || list[0];
    }

    _tick() {
      if (this._end !== null) return;
      const now = this._env.now();
      this._act(this._core.tick(now));
      for (const [at, c] of Array.from(this._conns)) { // a socket that does not even open
        if (!c.isOpen && now - c.since >= WELCOME_AFTER * this._core.heartbeat) this._lose(at);
      }
      if (this._core.active === 0) this._recover("");
      else if (!this._core.conns.get(this._core.active).suspect) this._retryMs = RETRY_MS_MIN;
      if (this._core.rtt > 0 && now - this._rttAt >= this._core.heartbeat) {
        this._rttAt = now;
        this._rtts.push(this._core.rtt);
        if (this._rtts.length > RTT_SAMPLES) this._rtts.shift();
      }
    }

    _roam() {
      const at = this._edge;
      if (at === "" || this._edges.length < 2) return;
      this.measure().then((measured) => {
        const to = nearest(at, measured);
        if (to !== "" && to !== at && this._edge === at) this._connect(to);
      });
    }

    async _measure(address) {
      const url = "http" + address.slice(2) + RTT_PATH;
      let best = 0;
      const abort = this._env.AbortController ? new this._env.AbortController() : null;
      const limit = this._env.setTimeout(() => abort && abort.abort(), MEASURE_LIMIT_MS);
      try {
        for (let i = 0; i <= MEASURE_PROBES; i++) {
          const begin = this._env.now();
          const answer = await this._env.fetch(url, { cache: "no-store", credentials: "omit", signal: abort && abort.signal });
          if (answer.status !== 204) return 0;
          const took = Math.max(this._env.now() - begin, 0.001);
          if (i > 0 && (best === 0 || took < best)) best = took; // the first one pays for the connection
        }
        return best;
      } catch (error) {
        return 0; // not reached: as good as infinitely far
      } finally {
        this._env.clearTimeout(limit);
      }
    }

    _finish(reason) {
      if (this._end !== null) return;
      this._end = reason;
      this._env.clearInterval(this._timer);
      if (this._measurer !== null) this._env.clearInterval(this._measurer);
      const unacknowledged = this._core.kept.length + this._queue.length;
      for (const c of this._conns.values()) c.wire.close();
      this._conns.clear();
      for (const q of this._queue) q.reject(new Error(`session has ended: ${reason}`));
      this._queue = [];
      this._edge = "";
      this._emit("close", { reason, unacknowledged });
    }
  }

  // defaults is what a browser offers; tests bring a clock and sockets of their own.
  function defaults() {
    return {
      WebSocket: root.WebSocket,
      WebTransport: root.WebTransport,
      TextEncoder: root.TextEncoder,
      TextDecoder: root.TextDecoder,
      AbortController: root.AbortController,
      fetch: (...a) => root.fetch(...a),
      now: () => root.performance.now(),
      random: () => Math.random(),
      setTimeout: (f, ms) => root.setTimeout(f, ms),
      clearTimeout: (t) => root.clearTimeout(t),
      setInterval: (f, ms) => root.setInterval(f, ms),
      clearInterval: (t) => root.clearInterval(t),
    };
  }

  root.nn5g = Object.freeze({ Session, nearest, encode, decode });
})(globalThis);
