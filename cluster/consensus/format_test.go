package consensus

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func encodeEntry(tb testing.TB, index, term uint64, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	l := &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: data, AppendedAt: time.Unix(0, 1234)}
	if err := (entryCodec{}).Encode(l, &b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestEntryKeepsEveryField(t *testing.T) {
	t.Parallel()
	want := raft.Log{Index: 7, Term: 3, Type: raft.LogBarrier, Data: []byte("data"), Extensions: []byte("ext"),
		AppendedAt: time.Unix(0, 99)}
	var b bytes.Buffer
	if err := (entryCodec{}).Encode(&want, &b); err != nil {
		t.Fatal(err)
	}
	var got raft.Log
	if err := (entryCodec{}).Decode(b.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, error %v", got, err)
	}
	for i := range b.Len() {
		changed := bytes.Clone(b.Bytes())
		changed[i] ^= 1
		if err := (entryCodec{}).Decode(changed, &got); err == nil {
			t.Fatalf("byte %d changed and not noticed", i)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add(encodeEntry(f, 1, 1, []byte("x")))
	f.Add([]byte(entryMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l raft.Log
		if err := (entryCodec{}).Decode(b, &l); err != nil {
			return
		}
		var again bytes.Buffer
		if err := (entryCodec{}).Encode(&l, &again); err != nil || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("accepted %x, which encodes as %x, error %v", b, again.Bytes(), err)
		}
	})
}

func FuzzScanSegment(f *testing.F) {
	info := metaSegment{BaseIndex: 1, MinIndex: 1, Codec: entryCodecID}
	f.Add([]byte{}, false)
	f.Add(make([]byte, 100), true)
	f.Add(append([]byte{0x0d, 0x6b, 0xeb, 0x58, 0, 0, 0, 0, 1}, make([]byte, 60)...), false)
	f.Fuzz(func(t *testing.T, raw []byte, closed bool) {
		seg := info
		if closed {
			seg.SealNs = 1
		}
		scan, bad := scanSegment(raw, seg)
		if bad == nil && scan.committed > int64(len(raw)) {
			t.Fatalf("committed %d of %d bytes", scan.committed, len(raw))
		}
	})
}

func FuzzOpenSealed(f *testing.F) {
	f.Add(sealFile(metaMagic, 3, []byte("body")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		generation, body, err := openSealed(metaMagic, raw)
		if err == nil && !bytes.Equal(sealFile(metaMagic, generation, body), raw) {
			t.Fatalf("accepted %x", raw)
		}
	})
}

func FuzzParseHead(f *testing.F) {
	f.Add(encodeHead(1, Head{Index: 4}), true)
	f.Fuzz(func(t *testing.T, slot []byte, second bool) {
		raw := make([]byte, headFileSize)
		at := 0
		if second {
			at = headSlotSize
		}
		copy(raw[at:], slot)
		_, head, findings := parseHead("head", raw)
		if len(findings) == 0 && firstNonZero(raw) >= 0 && !bytes.Contains(raw, encodeHead(1, head)[:72]) {
			t.Fatalf("accepted %+v", head)
		}
	})
}

func TestHeadFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "head")
	h, err := OpenHead(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Read(); err != nil || got != (Head{}) {
		t.Fatalf("new head %+v, error %v", got, err)
	}
	want := Head{}
	for i := range 5 {
		want = Head{Index: uint64(i + 1), Term: 2, Root: [32]byte{byte(i)}, Size: 10}
		if err := h.Write(want); err != nil {
			t.Fatal(err)
		}
		if got, err := h.Read(); err != nil || got != want {
			t.Fatalf("head %+v, error %v", got, err)
		}
	}
	if err := h.Write(Head{Index: 1}); nexus.CodeOf(err) != nexus.CodeInternal {
		t.Errorf("index fell: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if h, err = OpenHead(path); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Read(); err != nil || got != want {
		t.Fatalf("reopened head %+v, error %v", got, err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, path, headSlotSize+20, 1)
	if _, err := OpenHead(path); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("damaged slot: %v", err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHead(path); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("short file: %v", err)
	}
}
