package session

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// FuzzTicket: nothing but the ticket that was made is read as one.
func FuzzTicket(f *testing.F) {
	tickets, err := NewTickets(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)), nexus.ID{1})
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	made, err := tickets.Make(Claims{Session: nexus.ID{9}, Slice: "s", Epoch: 3, Expires: now.Add(time.Minute)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made)
	f.Add(made[:len(made)-1])
	f.Add("v4.public.")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := tickets.Read(text, now)
		if (err == nil) != (text == made) {
			t.Fatalf("%q: %+v, %v", text, c, err)
		}
		if err != nil && c != (Claims{}) {
			t.Fatalf("%q is refused and gives %+v", text, c)
		}
	})
}
