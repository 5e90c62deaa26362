package suite

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// The layout of the store's keys (ledger/badgerstore), as far as tampering needs it.
const (
	recordPrefix   = "r/" // index (8), chunk (2)
	sequencePrefix = "q/" // first entry (8)
	tilePrefix     = "h/" // level (1), index (8)
	eventPrefix    = "d/" // event ids
	actionPrefix   = "x/" // look-ups of actions, state snapshots
	headKey        = "m/head"
	checkpointKey  = "m/checkpoint"

	sealMagic  = "nxs1"
	sealLength = len(sealMagic) + 4 + sha256.Size
	chunkCount = 4 // bytes before a record's own
	tileBits   = 8 // a tile holds 256 hashes
	indexesMax = 4_000
)

// storedCopy is a copy in memory of what a store holds, seals included. It is a verify.Source whose bytes can be
// changed one at a time; nothing of it goes back to the disk.
type storedCopy struct {
	keys   []string // ascending
	values map[string][]byte
	size   uint64 // entries contained
	of     uint64 // entries of the ledger
}

var _ verify.Source = (*storedCopy)(nil)

var errEnough = errors.New("enough")

// copyStored copies a ledger of up to limit entries as it is. Of a larger one it copies the first records, up to limit
// entries; head and checkpoint are then made for that size (the stored ones speak of the whole) and the look-ups behind
// the records are left out.
func copyStored(src engine.StoredBytes, size, limit uint64, signer nexus.Signer,
	cluster nexus.ID) (*storedCopy, error) {
	c := &storedCopy{values: map[string][]byte{}, of: size}
	whole := size <= limit
	indexes := 0
	var last ledger.Record
	err := src.Scan(func(key, sealed []byte) error {
		k := string(key)
		if strings.HasPrefix(k, eventPrefix) {
			if indexes++; indexes > indexesMax {
				return nil
			}
		}
		if !whole && last.Entries != nil && (last.Next() >= limit || !strings.HasPrefix(k, recordPrefix)) {
			return errEnough
		}
		c.values[k] = append([]byte(nil), sealed...)
		c.keys = append(c.keys, k)
		if !strings.HasPrefix(k, recordPrefix) {
			return nil
		}
		encoded, done, err := c.record(k)
		if err != nil || !done {
			return err
		}
		last, err = ledger.ParseRecord(encoded)
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	c.size, c.of = last.Next(), max(size, last.Next())
	if whole {
		return c, nil
	}
	return c, c.cutTo(last, signer, cluster)
}

// record joins the chunks of the record whose newest chunk is k; done is false while some are missing.
func (c *storedCopy) record(k string) (encoded []byte, done bool, err error) {
	index := k[:len(k)-2]
	var chunks uint32 = 1
	for i := uint32(0); i < chunks; i++ {
		key := index + string(binary.BigEndian.AppendUint16(nil, uint16(i)))
		sealed, ok := c.values[key]
		if !ok {
			return nil, false, nil
		}
		payload, err := openSealed(key, sealed)
		if err != nil {
			return nil, false, err
		}
		if len(payload) < chunkCount {
			return nil, false, corruptKey(key, "cut short")
		}
		chunks = binary.BigEndian.Uint32(payload)
		encoded = append(encoded, payload[chunkCount:]...)
	}
	return encoded, true, nil
}

// cutTo leaves what belongs to the records up to last and makes head and checkpoint for them.
func (c *storedCopy) cutTo(last ledger.Record, signer nexus.Signer, cluster nexus.ID) error {
	c.size = last.Next()
	index := binary.BigEndian.AppendUint64([]byte(recordPrefix), last.Index)
	kept := c.keys[:0]
	for _, k := range c.keys {
		keep := true
		switch {
		case strings.HasPrefix(k, recordPrefix):
			keep = k[:len(k)-2] <= string(index)
		case strings.HasPrefix(k, sequencePrefix):
			keep = binary.BigEndian.Uint64([]byte(k[2:])) < c.size
		case strings.HasPrefix(k, tilePrefix):
			keep = tileEnd(k) <= c.size
		}
		if keep {
			kept = append(kept, k)
		} else {
			delete(c.values, k)
		}
	}
	c.keys = kept
	return c.seal(last, signer, cluster)
}

// tileEnd is the number of entries a stored tile needs.
func tileEnd(k string) uint64 {
	level, index := uint(k[2]), binary.BigEndian.Uint64([]byte(k[3:]))
	return (index + 1) << (tileBits * (level + 1))
}

// seal writes head and checkpoint for a log that ends with last, signed by whomever.
func (c *storedCopy) seal(last ledger.Record, signer nexus.Signer, cluster nexus.ID) error {
	c.size = last.Next()
	c.put(headKey, nexus.Encode(struct {
		Version                  uint8
		Applied, LastIndex, Size uint64
	}{1, last.Index, last.Index, last.Next()}))
	cp := ledger.Checkpoint{Cluster: cluster, Size: last.Next(), Root: last.Root, Index: last.Index}
	text, err := ledger.SignCheckpoint(signer, cp.Origin(), cp)
	if err != nil {
		return err
	}
	c.put(checkpointKey, []byte(text))
	return nil
}

// put seals a payload as the store does and places it.
func (c *storedCopy) put(key string, payload []byte) {
	if _, ok := c.values[key]; !ok {
		at := sort.SearchStrings(c.keys, key)
		c.keys = append(c.keys[:at], append([]string{key}, c.keys[at:]...)...)
	}
	c.values[key] = sealed(key, payload)
}

// clone shares the values, which are replaced and never written to.
func (c *storedCopy) clone() *storedCopy {
	out := &storedCopy{keys: append([]string(nil), c.keys...), values: make(map[string][]byte, len(c.values)),
		size: c.size, of: c.of}
	for k, v := range c.values {
		out.values[k] = v
	}
	return out
}

// with lists the keys with a prefix.
func (c *storedCopy) with(prefix string) []string {
	from := sort.SearchStrings(c.keys, prefix)
	to := from
	for to < len(c.keys) && strings.HasPrefix(c.keys[to], prefix) {
		to++
	}
	return c.keys[from:to]
}

// Scan implements verify.Source.
func (c *storedCopy) Scan(fn func(key, sealed []byte) error) error {
	for _, k := range c.keys {
		if err := fn([]byte(k), c.values[k]); err != nil {
			return err
		}
	}
	return nil
}

// Records implements verify.Source.
func (c *storedCopy) Records(fn func(index uint64, encoded []byte) error) error {
	for _, k := range c.with(recordPrefix) {
		if k[len(k)-2:] != "\x00\x00" {
			continue
		}
		encoded, done, err := c.record(k)
		if err == nil && !done {
			err = corruptKey(k, "a chunk is missing")
		}
		if err != nil {
			return err
		}
		if err := fn(binary.BigEndian.Uint64([]byte(k[2:])), encoded); err != nil {
			return err
		}
	}
	return nil
}

// Get implements verify.Source.
func (c *storedCopy) Get(key []byte) ([]byte, error) {
	v, ok := c.values[string(key)]
	if !ok {
		return nil, nexus.Errf("read copy", nexus.CodeNotFound, fmt.Sprintf("key %q", key), "", "absent")
	}
	return openSealed(string(key), v)
}

func sealed(key string, payload []byte) []byte {
	sum := sealSum(key, payload)
	out := binary.BigEndian.AppendUint32([]byte(sealMagic), uint32(len(payload)))
	return append(append(out, sum[:]...), payload...)
}

func openSealed(key string, value []byte) ([]byte, error) {
	if len(value) < sealLength {
		return nil, corruptKey(key, "no seal")
	}
	payload := value[sealLength:]
	sum := sealSum(key, payload)
	head := binary.BigEndian.AppendUint32([]byte(sealMagic), uint32(len(payload)))
	if string(value[:sealLength]) != string(append(head, sum[:]...)) {
		return nil, corruptKey(key, "the seal does not fit")
	}
	return payload, nil
}

func sealSum(key string, payload []byte) nexus.Hash {
	b := binary.BigEndian.AppendUint32([]byte("nexus-seal-v1\n"), uint32(len(key)))
	b = append(append(b, key...), payload...)
	return sha256.Sum256(b)
}

func corruptKey(key, why string) error {
	return nexus.Errf("read copy", nexus.CodeCorrupt, fmt.Sprintf("key %q", key), "run nexus ledger verify", "%s", why)
}
