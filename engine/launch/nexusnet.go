package launch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Phase 9, Nexus-Net. Rule: routes are proven reachable and unreachable as declared, from outside. In this version there
// are public routes only; private and restricted ones are said to be missing. SPEC section 2.
func nexusNet(ctx context.Context, env Env, rec *Recorder) error {
	if env.EdgeAddr() == "" {
		rec.Skip("no gateway runs because phase 3 was left out")
		return nil
	}
	var hosts []string
	var declared, base string
	env.Engine().View(func(s *state.State) {
		base = s.BaseDomain
		for _, u := range s.SortedUnits() {
			if s.Serving(u) {
				hosts = append(hosts, u.Domain)
			}
		}
		declared = fmt.Sprintf("%d routes declared", len(s.Routes))
	})
	answered := 0
	for _, h := range hosts {
		// A known host's answer carries the ledger index of its route, whatever the backend says.
		_, route, err := fetch(ctx, env.EdgeAddr(), h)
		if err != nil {
			return err
		}
		if route != "" {
			answered++
		}
	}
	rec.Count("public hosts known to the gateway", answered, len(hosts), "hosts", declared, "see nexus route list")
	code, route, err := fetch(ctx, env.EdgeAddr(), "unknown-"+time.Now().Format("150405")+"."+base)
	if err != nil {
		return err
	}
	rec.Require(code == http.StatusNotFound && route == "", "unknown host refused", fmt.Sprintf("answer %d", code),
		"stop the node: it serves hosts that nobody declared")
	rec.Degrade("private and restricted routes", "not built in this version: every route is public", "")
	return nil
}

// fetch asks the gateway for a host's front page and gives the status code and the route that answered.
func fetch(ctx context.Context, addr, host string) (code int, route string, err error) {
	c, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(c, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = host
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, resp.Header.Get("Nexus-Route"), err
}
