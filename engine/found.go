package engine

import (
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Found builds the first action of a cluster from its genesis file. Its id follows from the cluster, so founding twice is
// founding once.
func Found(g identity.Genesis, platform nexus.Signer) (*GenesisAct, error) {
	body := state.GenesisBody{Cluster: g.Cluster, Profile: g.Profile, BaseDomain: g.BaseDomain, Constitution: g.Constitution,
		Platform: g.Platform.Public, Node: g.Node.Public, NodeName: g.Node.Name, Operator: g.Operator.Public, OperatorName: g.Operator.Name}
	a, err := nexus.SignAction(platform, nexus.Action{Version: 1, Cluster: g.Cluster, ID: nexus.DeriveID("genesis", g.Cluster[:]),
		Kind: state.KindGenesis, TimeMs: g.CreatedMs, ExpiresMs: g.CreatedMs + time.Hour.Milliseconds(), Body: nexus.Encode(body)})
	if err != nil {
		return nil, err
	}
	return &GenesisAct{Action: a}, nil
}
