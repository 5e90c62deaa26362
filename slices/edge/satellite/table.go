package satellite

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// tableFile is a table on the link. Home, Run and Number say whose it is and which one; see Sealer.
type tableFile struct {
	Cluster  nexus.ID        `json:"cluster"`
	Home     nexus.PublicKey `json:"home"`
	Run      nexus.ID        `json:"run"`
	Index    uint64          `json:"index"`
	Number   uint64          `json:"number"`
	Capacity uint64          `json:"capacity_bps"`
	Reports  bool            `json:"reports,omitempty"` // the home takes reports
	Routes   []edge.Route    `json:"routes"`
	Slices   []slices.Slice  `json:"slices"`
}

// A sealed table is one JSON object that begins with the signature: programs from before seals read it as any other, and whoever checks it needs no second
// opinion of what the signed bytes are. They are sealDomain, then "{" and all that follows the signature.
const (
	sealBegin  = `{"seal":"`
	sealEnd    = `",`
	sealBytes  = 64
	sealDomain = "nexus-edge-table-v1\n"
)

// Sealer makes the tables that one run of a home sends: each names the home's cluster, key and run, and has a number that rises within the run and the index of
// the ledger that it was made at, which never falls from run to run (decision 82). Safe for concurrent use; tables that go out in another order than they
// were sealed in are refused.
type Sealer struct {
	signer  nexus.Signer
	cluster nexus.ID
	run     nexus.ID
	reports bool

	mu     sync.Mutex
	number uint64
}

// NewSealer makes the sealer of a new run. With reports the home takes edges' reports.
func NewSealer(signer nexus.Signer, cluster nexus.ID, reports bool) *Sealer {
	s := &Sealer{signer: signer, cluster: cluster, reports: reports}
	_, _ = rand.Read(s.run[:]) // never fails (crypto/rand)
	return s
}

// Seal gives a table's bytes for link.Server.SetTable. Capacity is the home's, in bits per second; a satellite is promised no more. Index is that of the last
// command that the home's ledger holds, 0 for a home without one. Error: the signer's.
func (s *Sealer) Seal(t *edge.Table, capacityBps, index uint64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	return seal(s.signer, tableFile{Cluster: s.cluster, Home: s.signer.Public(), Run: s.run, Index: index, Number: s.number, Capacity: capacityBps,
		Reports: s.reports, Routes: t.Routes(), Slices: t.Slices()})
}

func seal(signer nexus.Signer, f tableFile) ([]byte, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	return sealRaw(signer, body)
}

// sealRaw seals a JSON object as it stands.
func sealRaw(signer nexus.Signer, body []byte) ([]byte, error) {
	sig, err := signer.Sign(append([]byte(sealDomain), body...))
	if err != nil {
		return nil, err
	}
	out := append([]byte(sealBegin), hex.EncodeToString(sig)...)
	return append(append(out, sealEnd...), body[1:]...), nil
}

// openTable reads a sealed table and checks that the key which it names has signed it. Whether that is the right key, and the content, is for others to judge.
func openTable(b []byte) (tableFile, error) {
	damaged := func(format string, args ...any) (tableFile, error) {
		return tableFile{}, nexus.Errf("edge table", nexus.CodeCorrupt, "seal", "run the node with a program at least as new as the edge's", format, args...)
	}
	head := len(sealBegin) + 2*sealBytes + len(sealEnd)
	if len(b) <= head || !bytes.HasPrefix(b, []byte(sealBegin)) || string(b[head-len(sealEnd):head]) != sealEnd {
		return damaged("%d bytes without one", len(b))
	}
	sig := make([]byte, sealBytes)
	text := b[len(sealBegin) : head-len(sealEnd)]
	// One spelling of a signature, as of everything that is signed: hex has two.
	if _, err := hex.Decode(sig, text); err != nil || hex.EncodeToString(sig) != string(text) {
		return damaged("not in lower-case hex")
	}
	body := append([]byte{'{'}, b[head:]...)
	var f tableFile
	if err := json.Unmarshal(body, &f); err != nil {
		return damaged("what it seals cannot be read: %w", err)
	}
	if !f.Home.Verify(append([]byte(sealDomain), body...), sig) {
		return damaged("not signed by the key that it names")
	}
	return f, nil
}

// content is the table itself, with the checks of edge.NewTable.
func (f *tableFile) content() (*edge.Table, error) {
	if f.Capacity == 0 {
		return nil, nexus.Errf("edge table", nexus.CodeMalformed, "capacity", "run edge and home from the same build", "missing")
	}
	return edge.NewTable(f.Routes, f.Slices)
}
