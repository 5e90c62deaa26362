package witness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Target is a witness that a log hands its checkpoints to.
type Target struct {
	URL string // submission prefix, http or https
	Key verify.WitnessKey
}

// ParseTarget reads URL=VKEY. Error: nexus.CodeUsage.
func ParseTarget(text string) (Target, error) {
	bad := func(format string, args ...any) (Target, error) {
		return Target{}, nexus.Errf("witness", nexus.CodeUsage, fmt.Sprintf("%q", text),
			"write URL=VKEY, such as http://127.0.0.1:8490=witness.example.org+1a2b3c4d+BAMx..., as nexus witness key prints it", format, args...)
	}
	address, vkey, ok := strings.Cut(text, "=")
	if !ok {
		return bad("no = between URL and key")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return bad("%q is no plain http or https URL", address)
	}
	key, err := verify.ParseWitnessKey(vkey)
	if err != nil {
		return bad("%w", err)
	}
	return Target{URL: strings.TrimRight(address, "/"), Key: key}, nil
}

// replyMax bounds what is read of a witness's answer, in bytes.
const replyMax = 16 << 10

// secondsMax is the last second of the year 9999. The protocol lets a witness date its cosignature later, but no form of a time that
// people or programs are shown goes further, so it is not taken.
const secondsMax = 253402300799

// turnsMax bounds how often one checkpoint is offered to a witness that names another size each time.
const turnsMax = 3

// Conflict says that a witness holds another history than the log: either the log was put back to an earlier state, or it was forked,
// or the witness is wrong. Size is what the witness holds.
type Conflict struct {
	Size uint64
	Why  string
}

// Error implements error.
func (c *Conflict) Error() string { return c.Why }

// offer hands one checkpoint to a witness that is believed to hold old entries, and gives its cosignature. A witness that names another
// size gets the proof from there.
func (t Target) offer(ctx context.Context, client *http.Client, log merkle.Reader, h Head, old uint64) (verify.Cosignature, error) {
	for range turnsMax {
		if old > h.Size {
			return verify.Cosignature{}, &Conflict{Size: old,
				Why: fmt.Sprintf("it cosigned %d entries, this log has %d: the log was put back to an earlier state, or forked", old, h.Size)}
		}
		proof, err := merkle.ConsistencyProof(old, h.Size, log)
		if err != nil {
			return verify.Cosignature{}, err
		}
		status, body, err := t.post(ctx, client, Request{Old: old, Proof: proof, Checkpoint: h.Note}.Encode())
		if err != nil {
			return verify.Cosignature{}, err
		}
		switch status {
		case http.StatusOK:
			found := verify.Cosignatures(h.Note+string(body), []verify.WitnessKey{t.Key})
			if len(found) != 1 {
				return verify.Cosignature{}, fmt.Errorf("it answered without a valid cosignature of %s", t.Key)
			}
			if s := found[0].Seconds; s > secondsMax {
				return verify.Cosignature{}, fmt.Errorf("it dated its cosignature %d seconds after 1970, which no calendar has", s)
			}
			return found[0], nil
		case http.StatusConflict:
			size, err := parseSize(strings.TrimSuffix(string(body), "\n"))
			if old == h.Size && (err != nil || size == old) { // as the protocol had it before July 2026
				return verify.Cosignature{}, &Conflict{Size: old, Why: fmt.Sprintf("it holds another root for %d entries", old)}
			}
			if err != nil {
				return verify.Cosignature{}, fmt.Errorf("it answered 409 without its size: %w", err)
			}
			if size == old {
				return verify.Cosignature{}, fmt.Errorf("it answered 409 and named the size it was given, %d", size)
			}
			old = size
		case http.StatusUnprocessableEntity:
			return verify.Cosignature{}, &Conflict{Size: old,
				Why: fmt.Sprintf("it holds another history: its %d entries are not the beginning of this log's %d: %s", old, h.Size, oneLine(body))}
		default:
			return verify.Cosignature{}, fmt.Errorf("it answered %d: %s", status, oneLine(body))
		}
	}
	return verify.Cosignature{}, fmt.Errorf("it named another size each time, lastly %d", old)
}

func (t Target) post(ctx context.Context, client *http.Client, request []byte) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+addPath, bytes.NewReader(request))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", textType)
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, replyMax+1))
	if err == nil && len(body) > replyMax {
		err = fmt.Errorf("it answered more than %d bytes", replyMax)
	}
	return resp.StatusCode, body, err
}

// oneLine is the beginning of an answer, fit for a log line.
func oneLine(body []byte) string {
	s, _, _ := strings.Cut(string(body), "\n")
	return strings.ToValidUTF8(s[:min(len(s), 200)], "?")
}
