package control

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"sync"
	"sync/atomic"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// audience is whose eyes a picture is for. Two callers of one audience are shown the same but for who they are themselves, so one picture
// serves both (decision 0061).
type audience struct {
	early bool            // there is no engine: all that there is, is public
	all   bool            // whoever acts for the platform
	key   nexus.PublicKey // anybody else, who is shown the own; zero with the two above
}

// frame is one picture for one audience. Whatever it points at is held by many and never changed.
type frame struct {
	of      *wire.Overview // the node's own, that it was made from
	version uint64         // of the state, read before any word in it was unsealed

	drawn      sync.Once // sets the four below
	head, tail []byte    // the picture as a line of JSON, before and after the value of its identity
	unsealed   bool      // it has words that were sealed, so it holds for its version only
	err        error

	like    *wire.Overview                // an earlier picture for the same audience: what did not change is taken from it
	decoded atomic.Pointer[wire.Overview] // the line as a session in this process has it, without an identity; nil until one asked
	decode  sync.Mutex                    // one decodes, the others wait for it
}

// pictures holds the frames of the newest picture of the node, and those of the one before for what did not change since. What nobody
// asked for twice is dropped with them, so there are never more frames than two for each audience that watches.
type pictures struct {
	mu            sync.Mutex
	of            *wire.Overview
	newest, older map[audience]*frame
}

// frame gives the frame that an audience is to be shown now: one that somebody else asked for already, or a new one, not drawn yet. A
// frame that is to be kept is found by whoever asks next. Stale is one that was found not to hold any longer.
func (p *pictures) frame(of *wire.Overview, version uint64, a audience, keep bool, stale *frame) *frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.of == nil || of != p.of && of.Seq >= p.of.Seq:
		p.of, p.newest, p.older = of, map[audience]*frame{}, p.newest
	case of != p.of: // somebody was shown a later one meanwhile
		of = p.of
	}
	f := p.newest[a]
	if f != nil && f != stale {
		return f
	}
	next := &frame{of: of, version: version}
	if f == nil {
		f = p.older[a]
	}
	if f != nil {
		if next.like = f.decoded.Load(); next.like == nil {
			next.like = f.like
		}
	}
	if keep {
		p.newest[a] = next
	}
	return next
}

// picture gives the frame for a caller, drawn, and the identity that belongs into it. A caller who goes on watching keeps it for others.
func (s *Server) picture(who caller, watches bool) (*frame, wire.Identity, error) {
	e, version := s.engine(), uint64(0)
	if e != nil {
		version = e.Version()
	}
	id, a := s.identify(e, who.query.Actor)
	keep := watches || a.key.IsZero()
	f := s.pictures.frame(s.node.Overview(), version, a, keep, nil)
	s.draw(f, a, who)
	for f.unsealed && f.version < version { // who may read sealed words, and which are erased, is as of now and not of then
		f = s.pictures.frame(f.of, version, a, keep, f)
		s.draw(f, a, who)
	}
	return f, id, f.err
}

// identify says who a key is and which audience it belongs to now.
func (s *Server) identify(e *engine.Engine, key nexus.PublicKey) (wire.Identity, audience) {
	id := wire.Identity{Key: key.String(), Fingerprint: identity.Fingerprint(key), Roles: []string{}, Reports: []string{}}
	if e == nil {
		return id, audience{early: true}
	}
	a := audience{key: key}
	e.View(func(st *state.State) {
		if known := st.Identities[key]; known != nil {
			id.Name, id.Roles = known.Name, []string{engine.RoleName(known.Role)}
		}
		if seesAll(st, key) {
			a = audience{all: true}
		}
		id.Reports = reportsOf(st, key)
	})
	return id, a
}

// draw makes the frame's line, once. The caller is of the audience: what sealed texts say to one of it they say to all.
func (s *Server) draw(f *frame, a audience, who caller) {
	f.drawn.Do(func() {
		o := *f.of
		o.Identity = wire.Identity{}
		if !a.early && !a.all {
			narrow(&o, a.key)
			for i := range o.Decisions { // the slice is this frame's own
				s.veil(who, &o.Decisions[i])
			}
		}
		var line, none []byte
		if line, f.err = json.Marshal(&o); f.err != nil {
			return
		}
		if none, f.err = json.Marshal(o.Identity); f.err != nil {
			return
		}
		f.head, f.tail, f.err = around(line, none)
		f.unsealed = personal.Holds(string(f.head)) || personal.Holds(string(f.tail))
		if f.unsealed {
			f.head, f.tail = []byte(s.revealJSON(who, string(f.head))), []byte(s.revealJSON(who, string(f.tail)))
		}
		f.tail = append(f.tail, '\n')
	})
}

// around cuts the value of the identity out of a picture's line. No text before it can be mistaken for it: quotes in texts are escaped.
func around(line, value []byte) (head, tail []byte, err error) {
	const key = `"identity":`
	i := bytes.Index(line, append([]byte(key), value...))
	if i < 0 {
		return nil, nil, nexus.Errf("draw picture", nexus.CodeInternal, "identity", "", "is not in the picture's line")
	}
	i += len(key)
	return line[:i:i], line[i+len(value):], nil
}

// writePicture writes a frame as a line of JSON with the caller's identity in it.
func (s *Server) writePicture(w io.Writer, who caller, f *frame, id wire.Identity) error {
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	if _, err := w.Write(f.head); err != nil {
		return err
	}
	if _, err := io.WriteString(w, s.revealJSON(who, string(b))); err != nil {
		return err
	}
	_, err = w.Write(f.tail)
	return err
}

// overview gives the frame's picture to a session of this process, the same that its line says to any other client. The Overview itself is
// the session's; all that it points at is shared.
func (f *frame) overview(id wire.Identity) (*wire.Overview, error) {
	o := f.decoded.Load()
	if o == nil {
		f.decode.Lock()
		defer f.decode.Unlock()
		if o = f.decoded.Load(); o == nil {
			o = &wire.Overview{}
			if err := json.Unmarshal(bytes.Join([][]byte{f.head, f.tail}, []byte("{}")), o); err != nil {
				return nil, err
			}
			if f.like != nil {
				share(o, f.like)
			}
			f.decoded.Store(o)
		}
	}
	own := *o
	own.Identity = id
	return &own, nil
}

// share takes from an earlier picture what did not change since, so that whoever holds both sees that at once by its place in memory and
// need not compare.
func share(o, earlier *wire.Overview) {
	same(&o.Node, &earlier.Node)
	same(&o.Ledger.Witnesses, &earlier.Ledger.Witnesses)
	same(&o.Launch, &earlier.Launch)
	same(&o.Slices, &earlier.Slices)
	same(&o.Gates, &earlier.Gates)
	same(&o.Decisions, &earlier.Decisions)
	same(&o.Tallies, &earlier.Tallies)
	same(&o.Totals, &earlier.Totals)
	same(&o.Cluster, &earlier.Cluster)
	same(&o.Edges, &earlier.Edges)
	same(&o.Units, &earlier.Units)
	same(&o.Alerts, &earlier.Alerts)
}

func same[T any](now, before *T) {
	if reflect.DeepEqual(*now, *before) {
		*now = *before
	}
}

// narrow leaves in a picture what is a key's own (gate 16). The node's own picture is shared and never changed.
func narrow(o *wire.Overview, actor nexus.PublicKey) {
	key, own := actor.String(), map[string]bool{}
	o.Units = keep(o.Units, func(u wire.UnitRow) bool { own[u.ID] = u.Owner == key; return own[u.ID] })
	o.Tallies = keep(o.Tallies, func(t wire.TallyRow) bool { return own[t.UnitID] })
	o.Slices = keep(o.Slices, func(r wire.SliceRow) bool { return own[r.Unit] })
	o.Decisions = keep(o.Decisions, func(d wire.DecisionRow) bool { return d.Actor == key || own[d.Unit] })
	labels := map[string]bool{}
	for _, u := range o.Units {
		labels[u.Label] = true
	}
	o.Alerts = keep(o.Alerts, func(a wire.Alert) bool { return labels[a.Unit] })
	o.Edges = []wire.EdgeRow{} // their figures are of all units; rows of slices say of each edge what is the caller's
	o.Ledger.Witnesses = publicWitnesses(o.Ledger.Witnesses)
	o.Gates = withoutReasons(o.Gates)
	o.UnitsTotal, o.TalliesTotal, o.Totals = len(o.Units), len(o.Tallies), engine.SumTallies(o.Tallies)
}
