package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Limits of one page of the node's log.
const (
	logPageBytes = 256 << 10 // read at once
	logWaitMost  = 20 * time.Second
	logPollEvery = 250 * time.Millisecond
)

// slice gives one slice with its series and distribution, to whoever may see its unit.
func (s *Server) slice(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	missing := nexus.Errf("show slice", nexus.CodeNotFound, strconv.Quote(r.PathValue("slice")), "list slices with nexus slices list", "no such slice")
	id, err := nexus.ParseID(r.PathValue("slice"))
	if err != nil {
		return nil, missing
	}
	d, ok := s.node.SliceDetail(id)
	if !ok || len(s.slicesFor(who, []wire.SliceRow{d.SliceRow})) == 0 {
		return nil, missing
	}
	d.Record = s.recordOf(&d.SliceRow)
	return d, nil
}

// rerunEarly runs a phase again before there is a ledger that could record who asked; later the signed action phase.rerun does.
func (s *Server) rerunEarly(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	n, err := strconv.Atoi(r.PathValue("phase"))
	if err != nil || n < 1 || n > wire.PhaseCount {
		return nil, nexus.Errf("rerun phase", nexus.CodeMalformed, "phase "+r.PathValue("phase"), "1 to 12", "no such phase")
	}
	if s.engine() != nil {
		return nil, nexus.Errf("rerun phase", nexus.CodeConflict, "phase "+r.PathValue("phase"), "send the signed action phase.rerun", "the ledger is open")
	}
	return struct{}{}, s.node.RerunPhase(r.Context(), n)
}

// rerun runs the phases that a decided action asks for.
func (s *Server) rerun(ctx context.Context, a nexus.Action) error {
	var b state.PhaseRerun
	if err := nexus.Decode(a.Body, &b); err != nil {
		return err
	}
	return s.node.RerunPhase(ctx, int(b.Phase))
}

// logPage reads whole lines of the node's log from a byte offset on: from=-1 begins near the end, at most logPageBytes are read.
// With wait=1 it answers when there is a line, or after some seconds without any.
func (s *Server) logPage(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	if err != nil {
		return nil, nexus.Errf("read log", nexus.CodeMalformed, "from "+strconv.Quote(r.URL.Query().Get("from")), "a byte offset, or -1", "not a number")
	}
	deadline := time.Now().Add(logWaitMost)
	for {
		page, err := readLog(s.node.LogPath(), from)
		if err != nil || len(page.Lines) > 0 || r.URL.Query().Get("wait") != "1" || time.Now().After(deadline) {
			return page, err
		}
		select {
		case <-r.Context().Done():
			return page, nil
		case <-time.After(logPollEvery):
		}
	}
}

// readLog reads one page. A file that became shorter was replaced: the page begins anew and says what it skipped.
func readLog(path string, from int64) (wire.LogPage, error) {
	page := wire.LogPage{Lines: []string{}, Next: max(from, 0)}
	f, err := os.Open(path)
	if err != nil {
		return page, nexus.Errf("read log", nexus.CodeNotFound, path, "see nexus logs", "%v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return page, err
	}
	inside := from > 0 // begins at a line
	if from < 0 || from > info.Size() {
		from, inside = max(info.Size()-logPageBytes, 0), info.Size() <= logPageBytes
	}
	buf := make([]byte, logPageBytes)
	n, err := f.ReadAt(buf, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return page, err
	}
	buf = buf[:n]
	page.Next = from
	if !inside && from > 0 { // the first line is cut
		i := bytes.IndexByte(buf, '\n') + 1
		buf, page.Next, page.Skipped = buf[i:], from+int64(i), from+int64(i)
	}
	for {
		i := bytes.IndexByte(buf, '\n')
		if i < 0 {
			if len(page.Lines) == 0 && len(buf) == logPageBytes { // one line longer than a page
				page.Lines, page.Next = append(page.Lines, string(buf)), page.Next+int64(len(buf))
			}
			return page, nil
		}
		page.Lines, page.Next, buf = append(page.Lines, string(buf[:i])), page.Next+int64(i)+1, buf[i+1:]
	}
}

// entryScanMost bounds how many entries one page looks at.
const entryScanMost = 20_000

// unitEntries pages through a unit's entries, newest first. It walks the log, not the index by unit: a page looks at so many entries and
// says where the next begins.
func (s *Server) unitEntries(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.findFor(who, r.PathValue("word"))
	if err != nil {
		return nil, err
	}
	return s.pageBack(r, func(e *ledger.Entry) bool { return e.Unit == id })
}

// findingHistory pages through the findings that were ever recorded, newest first, of the units that the caller may see.
func (s *Server) findingHistory(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.unitAsked(r)
	if err != nil {
		return nil, err
	}
	visible := map[nexus.ID]string{}
	platform := s.mayRead(who, nexus.ID{}, platformRead) == nil
	s.engine().View(func(st *state.State) {
		for _, u := range st.SortedUnits() {
			if (id.IsZero() || id == u.ID) && s.sees(who, st, u) {
				visible[u.ID] = u.Label
			}
		}
	})
	if id.IsZero() && platform {
		visible[nexus.ID{}] = ""
	}
	if err := s.othersRefused(r, who, id, len(visible), nil); err != nil {
		return nil, err
	}
	page, err := s.pageBack(r, func(e *ledger.Entry) bool {
		_, seen := visible[e.Unit]
		return seen && e.Kind == ledger.KindAudit
	})
	if err != nil {
		return nil, err
	}
	out := wire.FindingHistory{Findings: []wire.RecordedFinding{}, Next: page.Next, Size: page.Size}
	for i := range page.Entries {
		e := &page.Entries[i]
		entry, err := ledger.ParseEntry(e.Bytes)
		if err != nil {
			return nil, err
		}
		var b state.AuditFinding
		if err := nexus.Decode(entry.Body, &b); err != nil {
			return nil, nexus.Errf("read findings", nexus.CodeCorrupt, "entry "+strconv.FormatUint(e.Seq, 10), "run nexus ledger verify", "%w", err)
		}
		out.Findings = append(out.Findings, wire.RecordedFinding{Seq: e.Seq, Index: e.Index, Time: e.Time,
			Finding: wire.Finding{Unit: visible[entry.Unit], Where: b.Code, What: b.Observed, Required: b.Required, Evidence: b.Evidence}})
	}
	return out, nil
}

// pageBack reads ?before= and ?limit= and gives the entries that fit, newest first, out of at most entryScanMost looked at.
func (s *Server) pageBack(r *http.Request, fits func(*ledger.Entry) bool) (wire.UnitEntries, error) {
	store := s.engine().Store()
	out := wire.UnitEntries{Entries: []wire.Entry{}, Size: store.Size()}
	before, err := uintParam(r, "before", out.Size)
	if err != nil {
		return out, err
	}
	limit, err := uintParam(r, "limit", 100)
	if err != nil {
		return out, err
	}
	limit = min(max(limit, 1), maxPage)
	seq, looked := min(before, out.Size), 0
	for seq > 0 && uint64(len(out.Entries)) < limit && looked < entryScanMost {
		rec, err := store.RecordBySeq(seq - 1)
		if err != nil {
			return out, err
		}
		for ; seq > rec.FirstSeq && uint64(len(out.Entries)) < limit; seq-- {
			looked++
			parsed, err := rec.Entry(seq - 1)
			if err != nil {
				return out, err
			}
			if !fits(&parsed) {
				continue
			}
			e, err := wireEntry(rec, seq-1)
			if err != nil {
				return out, err
			}
			out.Entries = append(out.Entries, e)
		}
	}
	out.Next = seq
	return out, nil
}
