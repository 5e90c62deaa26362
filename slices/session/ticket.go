package session

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"time"

	"aidanwoods.dev/go-paseto"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// PASETO v4.public tickets. The implicit assertion names cluster and purpose, so that a token of another cluster or one made
// for something else is no ticket here; the footer names the home's key.
type pasetoTickets struct {
	secret   *paseto.V4AsymmetricSecretKey // nil: reads only
	public   paseto.V4AsymmetricPublicKey
	key      nexus.PublicKey
	implicit []byte
}

// NewTickets makes and reads tickets signed with a home's session key. The key is its own, not the node's: tickets are bearer
// words for minutes, the node's key speaks for years.
func NewTickets(key ed25519.PrivateKey, cluster nexus.ID) (Tickets, error) {
	secret, err := paseto.NewV4AsymmetricSecretKeyFromEd25519(key)
	if err != nil {
		return nil, nexus.Errf("session tickets", nexus.CodeMalformed, "key", "give an Ed25519 private key", "%w", err)
	}
	t, err := ticketReader(key.Public().(ed25519.PublicKey), cluster)
	if err != nil {
		return nil, err
	}
	t.secret = &secret
	return t, nil
}

// NewTicketReader reads the tickets of the home with the given session key: what an edge needs.
func NewTicketReader(key nexus.PublicKey, cluster nexus.ID) (Tickets, error) {
	return ticketReader(ed25519.PublicKey(key[:]), cluster)
}

func ticketReader(key ed25519.PublicKey, cluster nexus.ID) (*pasetoTickets, error) {
	public, err := paseto.NewV4AsymmetricPublicKeyFromEd25519(key)
	if err != nil {
		return nil, nexus.Errf("session tickets", nexus.CodeMalformed, "key", "give an Ed25519 public key", "%w", err)
	}
	return &pasetoTickets{public: public, key: nexus.PublicKey(key), implicit: []byte("nexus-session-ticket-v1\n" + cluster.String())}, nil
}

// Make signs a ticket.
func (t *pasetoTickets) Make(c Claims) (string, error) {
	if t.secret == nil {
		return "", nexus.Errf("session ticket", nexus.CodeInternal, "key", "", "this side only reads tickets")
	}
	token := paseto.NewToken()
	token.SetString("session", c.Session.String())
	token.SetString("slice", c.Slice)
	if err := token.Set("epoch", fmt.Sprint(c.Epoch)); err != nil {
		return "", fmt.Errorf("session ticket: %w", err)
	}
	token.SetExpiration(c.Expires)
	token.SetFooter(t.key[:])
	return token.V4Sign(*t.secret, t.implicit), nil
}

// Read checks a ticket at the given time.
func (t *pasetoTickets) Read(text string, now time.Time) (Claims, error) {
	refused := func(why string, err error) (Claims, error) {
		return Claims{}, nexus.Errf("session ticket", nexus.CodeRefused, why, "open a new session", "%w", err)
	}
	token, err := paseto.NewParserWithoutExpiryCheck().ParseV4Public(t.public, text, t.implicit)
	if err != nil {
		return refused("signature", err)
	}
	if !bytes.Equal(token.Footer(), t.key[:]) {
		return refused("home", fmt.Errorf("footer names another key"))
	}
	var c Claims
	var id, epoch string
	for name, to := range map[string]*string{"session": &id, "slice": &c.Slice, "epoch": &epoch} {
		if *to, err = token.GetString(name); err != nil {
			return refused("claim "+name, err)
		}
	}
	if c.Session, err = nexus.ParseID(id); err != nil {
		return refused("claim session", err)
	}
	if _, err = fmt.Sscan(epoch, &c.Epoch); err != nil {
		return refused("claim epoch", err)
	}
	if c.Expires, err = token.GetExpiration(); err != nil {
		return refused("claim exp", err)
	}
	if !now.Before(c.Expires) {
		return refused("expiry", fmt.Errorf("expired at %s", c.Expires.UTC().Format(time.RFC3339)))
	}
	return c, nil
}

// TicketKey says which home's session key a ticket names, unverified: an edge uses it to find the home.
func TicketKey(text string) (nexus.PublicKey, error) {
	footer, err := paseto.NewParserWithoutExpiryCheck().UnsafeParseFooter(paseto.V4Public, text)
	if err != nil || len(footer) != len(nexus.PublicKey{}) {
		return nexus.PublicKey{}, nexus.Errf("session ticket", nexus.CodeMalformed, "footer", "open a new session", "names no home")
	}
	return nexus.PublicKey(footer), nil
}

func joinLines(lines []string) []byte {
	var b []byte
	for i, l := range lines {
		if i > 0 {
			b = append(b, '\n')
		}
		b = append(b, l...)
	}
	return b
}
