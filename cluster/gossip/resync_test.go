package gossip

import (
	"net"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// mute is an agent's end of a network that loses every packet; connections go through.
type mute struct{ *leg }

// WriteTo implements memberlist.Transport.
func (mute) WriteTo([]byte, string) (time.Time, error) { return time.Now(), nil }

// WriteToAddress implements memberlist.NodeAwareTransport.
func (mute) WriteToAddress([]byte, memberlist.Address) (time.Time, error) { return time.Now(), nil }

// DialTimeout implements memberlist.Transport.
func (m mute) DialTimeout(addr string, limit time.Duration) (net.Conn, error) {
	return m.leg.DialTimeout(addr, limit)
}

// TestALostAnnouncementIsMadeUpFor: an agent that joined, and of which no announcement arrived, becomes known to those who came before it, though the
// library's own comparisons of lists are off.
func TestALostAnnouncementIsMadeUpFor(t *testing.T) {
	t.Parallel()
	m, n := newTeam(t), &network{side: map[string]bool{}}
	var all []*running
	for seed := byte(1); seed <= 3; seed++ {
		m.admit(signer(seed).Public())
		all = append(all, m.join(seed, func(c *Config) {
			c.Profile, c.Seeds = LAN, c.Seeds[:min(1, len(c.Seeds))] // all through the first
			c.transport = func(mc *memberlist.Config) (memberlist.NodeAwareTransport, error) {
				mc.PushPullInterval, mc.ProbeInterval = 0, time.Hour
				inner, err := n.join(false)(mc)
				if err != nil {
					return nil, err
				}
				return mute{inner.(*leg)}, nil
			}
		}))
	}
	eventually(t, time.Minute, "all see all", func() bool { return everybody(all, func(i, j int) bool { return true }) })
	for _, a := range all {
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	}
}
