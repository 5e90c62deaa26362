package consensus

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

const (
	markerMagic  = "NXMARK1\n"
	markerSuffix = ".marker"
	maxMarker    = 1 << 20
)

// marker is a snapshot: not the machine's state, which the machine keeps durable itself, but the promise that the
// log up to Index is no longer needed because the machine holds everything up to Applied.
type marker struct {
	Version     uint8 // raft's snapshot version
	Index       uint64
	Term        uint64
	ConfigIndex uint64
	Config      []byte // raft.EncodeConfiguration
	Applied     uint64
}

func readMarker(path string) (m marker, size int, err error) {
	raw, err := readBounded(path, maxMarker)
	if err != nil {
		return m, 0, err
	}
	index, body, err := openSealed(markerMagic, raw)
	if err == nil {
		err = nexus.Decode(body, &m)
	}
	if err == nil && (index != m.Index || filepath.Base(path) != m.fileName()) {
		err = fmt.Errorf("is the marker of index %d", m.Index)
	}
	return m, len(raw), err
}

func (m marker) fileName() string { return fmt.Sprintf("%020d-%020d%s", m.Index, m.Term, markerSuffix) }

func (m marker) meta() *raft.SnapshotMeta {
	return &raft.SnapshotMeta{Version: raft.SnapshotVersion(m.Version), ID: m.fileName(), Index: m.Index, Term: m.Term,
		Configuration: raft.DecodeConfiguration(m.Config), ConfigurationIndex: m.ConfigIndex, Size: 8}
}

// markerStore implements raft.SnapshotStore with one sealed file per snapshot; the newest is kept.
type markerStore struct {
	dir   string
	watch Watch
}

var _ raft.SnapshotStore = markerStore{}

// Create implements raft.SnapshotStore.
func (s markerStore) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, configIndex uint64,
	_ raft.Transport) (raft.SnapshotSink, error) {
	return &markerSink{store: s, marker: marker{Version: uint8(version), Index: index, Term: term,
		ConfigIndex: configIndex, Config: raft.EncodeConfiguration(c)}}, nil
}

// list gives the markers, newest first.
func (s markerStore) list() ([]marker, error) {
	names, err := listDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []marker
	for _, name := range names {
		if !strings.HasSuffix(name, markerSuffix) {
			continue
		}
		m, _, err := readMarker(filepath.Join(s.dir, name))
		if err != nil {
			return nil, corruptErr("read snapshot marker", Finding{File: filepath.Join(s.dir, name), What: err.Error()})
		}
		out = append(out, m)
	}
	stdslices.SortFunc(out, func(a, b marker) int { return cmp.Compare(b.Index, a.Index) })
	return out, nil
}

// List implements raft.SnapshotStore. Only the newest is offered: the log is cut behind it, an older one leads
// nowhere.
func (s markerStore) List() ([]*raft.SnapshotMeta, error) {
	markers, err := s.list()
	if err != nil || len(markers) == 0 {
		return nil, err
	}
	return []*raft.SnapshotMeta{markers[0].meta()}, nil
}

// Open implements raft.SnapshotStore.
func (s markerStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	m, _, err := readMarker(filepath.Join(s.dir, filepath.Base(id)))
	if err != nil {
		return nil, nil, err
	}
	return m.meta(), io.NopCloser(bytes.NewReader(nexus.Encode(struct{ Applied uint64 }{m.Applied}))), nil
}

// markerSink receives what fsmSnapshot.Persist writes.
type markerSink struct {
	store  markerStore
	marker marker
	buf    bytes.Buffer
	done   bool
}

// Write implements raft.SnapshotSink.
func (s *markerSink) Write(b []byte) (int, error) {
	if s.buf.Len()+len(b) > maxMarker {
		return 0, fmt.Errorf("snapshot marker above %d bytes", maxMarker)
	}
	return s.buf.Write(b)
}

// ID implements raft.SnapshotSink.
func (s *markerSink) ID() string { return s.marker.fileName() }

// Cancel implements raft.SnapshotSink.
func (s *markerSink) Cancel() error {
	s.done = true
	return nil
}

// Close writes the marker and then removes older ones. A crash in between leaves two, of which the newer counts.
func (s *markerSink) Close() error {
	if s.done {
		return nil
	}
	s.done = true
	var body struct{ Applied uint64 }
	if err := nexus.Decode(s.buf.Bytes(), &body); err != nil {
		return err
	}
	s.marker.Applied = body.Applied
	path := filepath.Join(s.store.dir, s.marker.fileName())
	if err := replaceFile(s.store.watch, markerSteps, path, sealFile(markerMagic, s.marker.Index, nexus.Encode(s.marker))); err != nil {
		return ioError("write snapshot marker", path, err)
	}
	markers, err := s.store.list()
	if err != nil {
		return err
	}
	for _, old := range markers[1:] {
		path := filepath.Join(s.store.dir, old.fileName())
		err := s.store.watch.do(Op{Step: StepMarkerRemove, Path: path})
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			return ioError("remove old snapshot marker", old.fileName(), err)
		}
	}
	return osfile.SyncDir(s.store.dir)
}
