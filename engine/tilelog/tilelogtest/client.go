// Package tilelogtest is a client of a C2SP tlog-tiles log for tests, as somebody outside would write it: with the modules of the
// Go checksum database and of transparency-dev, and with nothing of this house. It trusts a key and believes no byte that the
// key's checkpoint does not cover. Programs must not import it.
package tilelogtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

// Client follows one log. Not safe for concurrent use.
type Client struct {
	base   string
	key    note.Verifier
	client *http.Client
	seen   map[tlog.Tile][]byte // tiles that a verified checkpoint covers
}

// Head is a checkpoint whose signature was verified.
type Head struct {
	tlog.Tree
	Note string
}

// New gives a client of the log under base, such as http://127.0.0.1:80, that trusts a verifier key.
func New(base, vkey string) (*Client, error) {
	key, err := note.NewVerifier(vkey)
	return &Client{base: base, key: key, client: &http.Client{Transport: &http.Transport{}}, seen: map[tlog.Tile][]byte{}}, err
}

// Close gives back the client's connections.
func (c *Client) Close() { c.client.CloseIdleConnections() }

// get fetches a resource of at most limit bytes.
func (c *Client) get(path string, limit int64) ([]byte, error) {
	resp, err := c.client.Get(c.base + "/" + path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK || int64(len(body)) > limit {
		return nil, fmt.Errorf("%s: %s, %d bytes", path, resp.Status, len(body))
	}
	return body, nil
}

// Head fetches the newest checkpoint and verifies its note under the key, whose name is the log's origin.
func (c *Client) Head() (Head, error) {
	body, err := c.get("checkpoint", 1<<16)
	if err != nil {
		return Head{}, err
	}
	return c.Verify(string(body))
}

// Verify verifies a checkpoint that came from anywhere.
func (c *Client) Verify(text string) (Head, error) {
	signed, err := note.Open([]byte(text), note.VerifierList(c.key))
	if err != nil {
		return Head{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != c.key.Name() {
		return Head{}, fmt.Errorf("not a checkpoint of %s: %q", c.key.Name(), signed.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] || size < 0 {
		return Head{}, fmt.Errorf("size %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Head{}, fmt.Errorf("root %q", lines[2])
	}
	return Head{tlog.Tree{N: size, Hash: tlog.Hash(root)}, text}, nil
}

// reader lets tlog fetch tiles: it asks for those it needs, and for those that prove them, and has them kept once they are proven.
type reader struct{ c *Client }

func (r reader) Height() int { return height }

func (r reader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		r.c.seen[t] = data[i]
	}
}

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		if out[i] = r.c.seen[t]; out[i] != nil {
			continue
		}
		// The checksum database has the height in its paths, and "data" for what C2SP calls entries.
		path, ok := strings.CutPrefix(t.Path(), "tile/8/")
		if !ok {
			return nil, fmt.Errorf("tile %v is not of height 8", t)
		}
		body, err := r.c.get("tile/"+path, width*tlog.HashSize)
		if err != nil {
			return nil, err
		}
		out[i] = body
	}
	return out, nil
}

// Hashes gives the nodes of the tree, each proven under h before it is given.
func (c *Client) Hashes(h Head) tlog.HashReader { return tlog.TileHashReader(h.Tree, reader{c}) }

// Entries mirrors the log: it fetches every bundle, hashes its entries, and compares each with the tiles and all of them with the
// root.
func (c *Client) Entries(h Head) ([][]byte, error) {
	var out [][]byte
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	tree := factory.NewEmptyRange(0)
	for n := int64(0); n*width < h.N; n++ {
		t := tlog.Tile{H: height, L: -1, N: n, W: int(min(width, h.N-n*width))}
		path := "tile/entries/" + strings.TrimPrefix(t.Path(), "tile/8/data/")
		body, err := c.get(path, 64<<20)
		if err != nil {
			return nil, err
		}
		entries, err := split(body, t.W)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var indexes []int64
		for i := range entries {
			indexes = append(indexes, tlog.StoredHashIndex(0, n*width+int64(i)))
		}
		leaves, err := c.Hashes(h).ReadHashes(indexes)
		if err != nil {
			return nil, err
		}
		for i, e := range entries {
			leaf := rfc6962.DefaultHasher.HashLeaf(e)
			if !bytes.Equal(leaf, leaves[i][:]) {
				return nil, fmt.Errorf("%s: entry %d is not the one in the tree", path, i)
			}
			if err := tree.Append(leaf, nil); err != nil {
				return nil, err
			}
		}
		out = append(out, entries...)
	}
	root, err := tree.GetRootHash(nil)
	if err == nil && !bytes.Equal(root, h.Hash[:]) {
		err = fmt.Errorf("the entries have root %x, the checkpoint says %x", root, h.Hash)
	}
	return out, err
}

// split takes a bundle apart.
func split(body []byte, count int) (out [][]byte, err error) {
	for len(body) > 0 {
		if len(body) < 2 || len(body)-2 < int(binary.BigEndian.Uint16(body)) {
			return nil, fmt.Errorf("cut short after %d entries", len(out))
		}
		end := 2 + int(binary.BigEndian.Uint16(body))
		out, body = append(out, body[2:end]), body[end:]
	}
	if len(out) != count {
		return nil, fmt.Errorf("%d entries, want %d", len(out), count)
	}
	return out, nil
}

// Included builds the proof that entry n is in the tree and has it checked by the other implementation.
func (c *Client) Included(h Head, n int64, entry []byte) error {
	p, err := tlog.ProveRecord(h.N, n, c.Hashes(h))
	if err != nil {
		return err
	}
	return proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(n), uint64(h.N), rfc6962.DefaultHasher.HashLeaf(entry), plain(p), h.Hash[:])
}

// Extends builds the proof that the tree of newer begins with that of older and has it checked by the other implementation.
func (c *Client) Extends(older, newer Head) error {
	p, err := tlog.ProveTree(newer.N, older.N, c.Hashes(newer))
	if err != nil {
		return err
	}
	return proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(older.N), uint64(newer.N), plain(p), older.Hash[:], newer.Hash[:])
}

func plain(in []tlog.Hash) [][]byte {
	out := make([][]byte, len(in))
	for i := range in {
		out[i] = in[i][:]
	}
	return out
}
