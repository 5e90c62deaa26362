package roam

import (
	"context"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func (s *Session) dialWebTransport(_ context.Context, address string) (wire, error) {
	return nil, nexus.Errf("session dial", nexus.CodeUnavailable, address, "use wss://", "WebTransport is not in this build")
}

func (s *Session) measureWebTransport(context.Context, string) time.Duration { return 0 }
