package control

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// authScheme is the scheme of the Authorization header.
const authScheme = "Nexus "

// maxAnswer bounds one answer the client reads into memory, in bytes.
const maxAnswer = 256 << 20

// Client speaks to one node. Safe for concurrent use. A node that does not answer is an error of CodeNoNode.
type Client struct {
	signer  nexus.Signer
	cluster nexus.ID
	http    *http.Client
	where   string

	readOnly atomic.Bool

	token    string // of a session over SSH
	unsigned bool   // that session has nothing to sign with
}

// NewClient makes a client for the node whose socket lies at path (or at a TCP address "host:port" when path has no
// slash). The signer signs every query; nil allows Hello only. It does not connect yet.
func NewClient(path string, cluster nexus.ID, signer nexus.Signer) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{signer: signer, cluster: cluster, where: path,
		http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}}}
}

// Cluster is the id the client signs for.
func (c *Client) Cluster() nexus.ID { return c.cluster }

// Identity is the public key the client signs with; zero without a signer.
func (c *Client) Identity() nexus.PublicKey {
	if c.signer == nil {
		return nexus.PublicKey{}
	}
	return c.signer.Public()
}

// Signer gives the signer, for actions built by the caller.
func (c *Client) Signer() nexus.Signer { return c.signer }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Hello asks who answers, unsigned.
func (c *Client) Hello(ctx context.Context) (wire.NodeInfo, error) {
	var n wire.NodeInfo
	err := c.call(ctx, http.MethodGet, "/v1/hello", nil, nil, &n)
	return n, err
}

// Get reads path with the query values into out. The error is what the node said: CodeRefused by a gate, CodeNotFound, ...
func (c *Client) Get(ctx context.Context, path string, q url.Values, out any) error {
	return c.call(ctx, http.MethodGet, path, q, nil, out)
}

// Post sends in as JSON and reads the answer into out (nil: none wanted).
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, nil, in, out)
}

// Do sends a signed action and returns its receipt with proof. A refusal is CodeRefused, with the receipt.
func (c *Client) Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error) {
	ans, err := c.Ask(ctx, a)
	return *ans.Receipt, err
}

// Ask is Do with all that the node answers. The answer's receipt is never nil.
func (c *Client) Ask(ctx context.Context, a nexus.Action) (wire.ActionAnswer, error) {
	var ans wire.ActionAnswer
	err := c.Post(ctx, "/v1/actions", wire.ActionRequest{Action: nexus.Encode(a)}, &ans)
	if err == nil {
		err = ans.Error.Err()
	}
	if ans.Receipt == nil {
		ans.Receipt = &nexus.Receipt{}
	}
	return ans, err
}

// Try asks for the 17 verdicts that an action would get now. The error says what the state could not take.
func (c *Client) Try(ctx context.Context, a nexus.Action) ([]wire.Verdict, error) {
	var ans wire.ActionAnswer
	if err := c.Post(ctx, "/v1/actions", wire.ActionRequest{Action: nexus.Encode(a), DryRun: true}, &ans); err != nil {
		return nil, err
	}
	return ans.Verdicts, ans.Error.Err()
}

// Stream reads one JSON value a line from path until ctx ends, fn fails or the node goes. fn gets the raw line.
func (c *Client) Stream(ctx context.Context, path string, q url.Values, fn func(line []byte) error) error {
	resp, err := c.send(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	sc := bufio.NewScanner(resp.Body)
	sc.Buffer(make([]byte, 64<<10), maxAnswer)
	for sc.Scan() {
		if err := fn(sc.Bytes()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := sc.Err(); err != nil {
		return c.noNode(err)
	}
	return c.noNode(io.EOF)
}

// Watch calls fn with each new Overview, at most ten a second, until ctx ends or the node goes.
func (c *Client) Watch(ctx context.Context, fn func(*wire.Overview)) error {
	return c.Stream(ctx, "/v1/watch", nil, func(line []byte) error {
		var o wire.Overview
		if err := json.Unmarshal(line, &o); err != nil {
			return err
		}
		fn(&o)
		return nil
	})
}

func (c *Client) call(ctx context.Context, method, path string, q url.Values, in, out any) error {
	resp, err := c.send(ctx, method, path, q, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.noNode(err)
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	return json.Unmarshal(body, out)
}

func (c *Client) send(ctx context.Context, method, path string, q url.Values, in any) (*http.Response, error) {
	target := path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	var raw []byte
	var body io.Reader
	if in != nil {
		var err error
		if raw, err = json.Marshal(in); err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://node"+target, body)
	if err != nil {
		return nil, err
	}
	mode := c.mode()
	if c.token != "" {
		req.Header.Set(tokenHeader, c.token)
		req.Header.Set(modeHeader, mode)
	}
	if c.signs(method, path) {
		if mode != "" {
			req.Header.Set(modeHeader, mode)
		}
		if err := c.sign(req, signedTarget(target, raw, mode)); err != nil {
			return nil, err
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.noNode(err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, problem(resp)
	}
	return resp, nil
}

// signedTarget is what a query's signature covers of a request beside its method: path and query as sent, the digest of
// the body when there is one, so that a signature seen once serves for no other body, and the session's mode if it has one.
func signedTarget(target string, body []byte, mode string) string {
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		target += "#sha256=" + hex.EncodeToString(sum[:])
	}
	if mode != "" {
		target += "#mode=" + mode
	}
	return target
}

func (c *Client) sign(req *http.Request, target string) error {
	q := nexus.Query{Cluster: c.cluster, Method: req.Method, Target: target, Actor: c.signer.Public(), TimeMs: time.Now().UnixMilli()}
	sig, err := c.signer.Sign(q.SigningBytes())
	if err != nil {
		return err
	}
	q.Signature = sig
	req.Header.Set("Authorization", authScheme+base64.StdEncoding.EncodeToString(nexus.Encode(q)))
	return nil
}

func (c *Client) noNode(cause error) error {
	var ne *net.OpError
	if errors.As(cause, &ne) {
		cause = ne.Err
	}
	return nexus.Errf("ask node", nexus.CodeNoNode, "socket "+c.where, "start one with nexus launch, or give --data-dir of a running one", "%w", cause)
}

func problem(resp *http.Response) error {
	var ans struct {
		Error *wire.Problem `json:"error"`
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(b, &ans) == nil && ans.Error != nil {
		return ans.Error.Err()
	}
	return fmt.Errorf("node answered %s: %.200s", resp.Status, b)
}

// Download copies what path answers to w, whole or with an error.
func (c *Client) Download(ctx context.Context, path string, q url.Values, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(w, resp.Body); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
