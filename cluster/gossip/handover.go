package gossip

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

// The hand-over of the gossip keys: one question and one answer on a stream to the keeper's gossip port, beside the library's own. It does not need a gossip
// key, so a node that slept through rotations gets the present ones by it. The asking node proves its node key, the keeper answers only nodes that the
// replicated state admits and proves its own, and the ring is sealed to a key that both make for this one time: who hears all of it learns no gossip key, not
// even with both node keys later. An answer is bound to its question, so an old one is worth nothing.
const (
	handoverMagic     = "NEXUS-KEYS-1\n" // its first byte is no type of the library's messages
	handoverDomain    = "nexus-gossip-handover-v1\n"
	maxHandoverBytes  = 1 << 10 // of a question and of an answer
	maxHandovers      = 16      // answered at once; more are hung up on
	handoverTimeLimit = 3 * time.Second
)

// keyRequest asks for the ring.
type keyRequest struct {
	Cluster   nexus.ID
	Node      nexus.PublicKey // who asks
	Keeper    nexus.PublicKey // who is asked
	Ephemeral [32]byte        // X25519, of this question alone
	Signature []byte          // Node's over the rest
}

func (r keyRequest) signed() []byte {
	r.Signature = nil
	return nexus.AppendCanonical([]byte(handoverDomain+"question\n"), r)
}

// keyAnswer carries the ring, or nothing to a node that is not admitted.
type keyAnswer struct {
	Ephemeral [32]byte
	Sealed    []byte // the ring's encoding by AES-256-GCM; empty: refused
	Signature []byte // the keeper's over the question and the rest
}

func (a keyAnswer) signed(question []byte) []byte {
	a.Signature = nil
	sum := sha256.Sum256(question)
	return nexus.AppendCanonical(append([]byte(handoverDomain+"answer\n"), sum[:]...), a)
}

// sealer makes the cipher of one exchange. Its key is used once, so the nonce is nothing.
func sealer(own *ecdh.PrivateKey, other [32]byte, question []byte) (cipher.AEAD, error) {
	public, err := ecdh.X25519().NewPublicKey(other[:])
	if err != nil {
		return nil, err
	}
	shared, err := own.ECDH(public) // refuses points of small order
	if err != nil {
		return nil, err
	}
	salt := sha256.Sum256(question)
	key, err := hkdf.Key(sha256.New, shared, salt[:], handoverDomain, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// ask makes a question and what opens its answer.
func ask(s nexus.Signer, clusterID nexus.ID, keeper nexus.PublicKey) (question []byte, open func(answer []byte) (cluster.Keyring, error), err error) {
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	r := keyRequest{Cluster: clusterID, Node: s.Public(), Keeper: keeper, Ephemeral: [32]byte(own.PublicKey().Bytes())}
	if r.Signature, err = s.Sign(r.signed()); err != nil {
		return nil, nil, err
	}
	question = nexus.Encode(r)
	return question, func(answer []byte) (cluster.Keyring, error) { return openAnswer(own, keeper, question, answer) }, nil
}

func openAnswer(own *ecdh.PrivateKey, keeper nexus.PublicKey, question, answer []byte) (cluster.Keyring, error) {
	var a keyAnswer
	if err := nexus.Decode(answer, &a); err != nil {
		return cluster.Keyring{}, err
	}
	if !keeper.Verify(a.signed(question), a.Signature) {
		return cluster.Keyring{}, errors.New("the answer is not the keeper's, or not to this question")
	}
	if len(a.Sealed) == 0 {
		return cluster.Keyring{}, errNotAdmitted
	}
	aead, err := sealer(own, a.Ephemeral, question)
	if err != nil {
		return cluster.Keyring{}, err
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), a.Sealed, nil)
	if err != nil {
		return cluster.Keyring{}, err
	}
	return cluster.DecodeKeyring(plain)
}

var errNotAdmitted = errors.New("this node is not admitted: an operator admits it with nexus cluster admit")

// answer judges a question: an admitted node's own gets the ring, a well-formed one of anybody else a signed refusal, anything else an error.
func answer(s nexus.Signer, clusterID nexus.ID, admitted func(nexus.PublicKey) bool, ring cluster.Keyring, question []byte) ([]byte, error) {
	var r keyRequest
	if err := nexus.Decode(question, &r); err != nil {
		return nil, err
	}
	if r.Cluster != clusterID || r.Keeper != s.Public() || !r.Node.Verify(r.signed(), r.Signature) {
		return nil, errors.New("a question for another cluster or node, or not signed by whom it names")
	}
	var a keyAnswer
	if admitted(r.Node) {
		own, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		aead, err := sealer(own, r.Ephemeral, question)
		if err != nil {
			return nil, err
		}
		a.Ephemeral = [32]byte(own.PublicKey().Bytes())
		a.Sealed = aead.Seal(nil, make([]byte, aead.NonceSize()), ring.Encode(), nil)
	}
	var err error
	if a.Signature, err = s.Sign(a.signed(question)); err != nil {
		return nil, err
	}
	return nexus.Encode(a), nil
}

func writeFrame(w io.Writer, before string, b []byte) error {
	if len(b) > maxHandoverBytes {
		return fmt.Errorf("%d bytes, at most %d", len(b), maxHandoverBytes)
	}
	out := append([]byte(before), 0, 0)
	binary.BigEndian.PutUint16(out[len(before):], uint16(len(b)))
	_, err := w.Write(append(out, b...))
	return err
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(head[:])
	if n > maxHandoverBytes {
		return nil, fmt.Errorf("%d bytes, at most %d", n, maxHandoverBytes)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// fetch asks the keeper at addr. It takes at most handoverTimeLimit twice: for the connection and for the answer.
func (a *Agent) fetch(addr string) (cluster.Keyring, error) {
	question, open, err := ask(a.cfg.Keys.Signer, a.cfg.Cluster, a.cfg.Keys.Keeper)
	if err != nil {
		return cluster.Keyring{}, err
	}
	conn, err := a.wire.DialTimeout(addr, handoverTimeLimit)
	if err != nil {
		return cluster.Keyring{}, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(handoverTimeLimit)); err != nil {
		return cluster.Keyring{}, err
	}
	if err := writeFrame(conn, handoverMagic, question); err != nil {
		return cluster.Keyring{}, err
	}
	b, err := readFrame(conn)
	if err != nil {
		return cluster.Keyring{}, err
	}
	return open(b)
}

// serveHandover answers one question on a stream whose first byte has been read. The caller closes it.
func (a *Agent) serveHandover(conn net.Conn) {
	err := conn.SetDeadline(time.Now().Add(handoverTimeLimit))
	magic := make([]byte, len(handoverMagic)-1)
	if err == nil {
		_, err = io.ReadFull(conn, magic)
	}
	if err == nil && string(magic) != handoverMagic[1:] {
		err = errors.New("not a question for keys")
	}
	var question, reply []byte
	if err == nil {
		question, err = readFrame(conn)
	}
	if err == nil {
		admitted := func(k nexus.PublicKey) bool { return a.cfg.Admitted()[k] }
		reply, err = answer(a.cfg.Keys.Signer, a.cfg.Cluster, admitted, a.ring(), question)
	}
	if err == nil {
		err = writeFrame(conn, "", reply)
	}
	if err != nil {
		a.cfg.Logger.Debug("question for gossip keys not answered", "component", "gossip", "error", err)
	}
}
