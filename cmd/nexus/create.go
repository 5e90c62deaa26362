package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/tui/wizard"
)

// creationRequest is what flags, wizard and console ask for. Zero values take the node's defaults.
type creationRequest struct {
	wire.UnitCreate
	Slug   string
	Domain string
	Parent nexus.ID
}

// creationKinds maps a unit's kind to the action that makes it.
func creationKind(kind string) (string, error) {
	switch kind {
	case nexus.KindIMVU.String():
		return state.KindIMVUCreate, nil
	case nexus.KindPlatform.String():
		return state.KindPlatformCreate, nil
	case nexus.KindChannel.String():
		return state.KindChannelCreate, nil
	}
	return "", usage(fmt.Sprintf("kind %q", kind), "imvu, platform or channel", "cannot be created")
}

// creationBody is the action's body; the owner's key is filled in by ownerKey.
func creationBody(req creationRequest) state.UnitCreate {
	return state.UnitCreate{Name: req.Name, Slug: req.Slug, OwnerName: req.Owner, OwnerMustExist: req.OwnerMustExist,
		Jurisdiction: req.Jurisdiction, CPUMilli: int64(req.Envelope.CPUCores*1000 + 0.5), MemoryBytes: int64(req.Envelope.MemoryBytes),
		StorageBytes: int64(req.Envelope.StorageBytes), Processes: int64(req.Envelope.Processes), Class: req.Class,
		GuaranteedBps: int64(req.GuaranteedBps), CeilingBps: int64(req.CeilingBps), Parent: req.Parent, Domain: req.Domain}
}

// createUnit makes a unit, all or nothing. An owner whose name the cluster does not know gets a key of its own first: the
// private key must exist before the ledger names its public half, and it is taken back when the node refuses.
func (n *node) createUnit(ctx context.Context, req creationRequest) (wire.UnitCreated, error) {
	var out wire.UnitCreated
	kind, err := creationKind(req.Kind)
	if err != nil {
		return out, err
	}
	if err := wizard.ValidName(req.Name); err != nil { // said here in words; the node would refuse the same, as a decision
		return out, err
	}
	if req.Backend != "" {
		if _, _, err := state.ParseBackend(req.Backend); err != nil {
			return out, err
		}
	}
	body := creationBody(req)
	owner, err := n.ownerKey(ctx, &body)
	if err != nil {
		return out, err
	}
	a, err := engine.NewAction(n.Signer(), n.Cluster(), kind, nexus.ID{}, body, n.app.now())
	if err != nil {
		owner.takeBack()
		return out, err
	}
	ans, err := n.creation(ctx, a)
	out.Receipt, out.NotServed = *ans.Receipt, ans.NotServed
	if err != nil {
		// Only a clear answer tells that the key was not used; with a lost connection the unit may exist.
		if code := nexus.CodeOf(err); code != nexus.CodeNoNode && code != nexus.CodeUnavailable && code != nexus.CodeInternal {
			owner.takeBack()
		}
		return out, err
	}
	out.Unit, out.OwnerKeyFile = *ans.Unit, owner.path
	return out, n.firstActs(ctx, owner, &out.Unit, &req)
}

// firstActs does what a creation asks for beyond the unit: the cap first, so that no visitor comes before it, then the route.
func (n *node) firstActs(ctx context.Context, owner issuedKey, made *wire.UnitRow, req *creationRequest) error {
	id, err := nexus.ParseID(made.ID)
	if err != nil {
		return err
	}
	if req.Sessions != 0 {
		if err := n.asOwner(ctx, owner, state.KindSliceSessions, id, state.SliceSessions{Sessions: req.Sessions}); err != nil {
			return fmt.Errorf("%s was created, its slice has the session cap of its class: %w", made.Label, err)
		}
	}
	if req.Backend == "" {
		return nil
	}
	if err := n.asOwner(ctx, owner, state.KindRouteSet, id, state.RouteSet{Host: made.Domain, Backend: req.Backend}); err != nil {
		return fmt.Errorf("%s was created, its route was not: %w", made.Label, err)
	}
	return nil
}

// asOwner does what only the owner may ask for (gate 8) in a creation: it is signed with the key that was issued in the same act, else with
// the caller's.
func (n *node) asOwner(ctx context.Context, owner issuedKey, kind string, unit nexus.ID, body any) error {
	signer := n.Signer()
	if owner.made {
		key, err := identity.LoadKey(owner.path)
		if err != nil {
			return err
		}
		signer = key
	}
	a, err := engine.NewAction(signer, n.Cluster(), kind, unit, body, n.app.now())
	if err != nil {
		return err
	}
	_, err = n.Do(ctx, a)
	return err
}

// issuedKey is a key made for an owner in the same act; empty when the owner was known.
type issuedKey struct {
	path string
	made bool // by this command
}

func (k issuedKey) takeBack() {
	if k.made {
		_ = os.Remove(k.path)
		_ = os.Remove(k.path + identity.SidecarSuffix)
	}
}

// ownerKey fills in the key of an owner that the cluster does not know: the one under its name in the data directory, or
// a new one.
func (n *node) ownerKey(ctx context.Context, b *state.UnitCreate) (issuedKey, error) {
	if b.OwnerName == "" || b.OwnerMustExist {
		return issuedKey{}, nil
	}
	known, err := n.identityByName(ctx, b.OwnerName)
	if err != nil {
		return issuedKey{}, err
	}
	if known != nil {
		return issuedKey{}, nil
	}
	key, issued, err := n.app.localKey(b.OwnerName)
	if err != nil {
		return issuedKey{}, err
	}
	b.OwnerKey = key
	return issued, nil
}

// localKey gives the key of that name in the data directory, made now when there is none.
func (a *app) localKey(name string) (nexus.PublicKey, issuedKey, error) {
	if err := identity.CheckName(name); err != nil {
		return nexus.PublicKey{}, issuedKey{}, err
	}
	if a.guest != nil {
		return nexus.PublicKey{}, issuedKey{}, errNoLocalKey(name)
	}
	path := identity.KeyPath(a.conf.text("data_dir"), name)
	if _, err := os.Stat(path); err == nil {
		key, err := identity.LoadKey(path)
		if err != nil {
			return nexus.PublicKey{}, issuedKey{}, err
		}
		return key.Public(), issuedKey{path: path}, nil
	}
	if _, err := os.Stat(filepath.Dir(filepath.Dir(path))); err != nil {
		return nexus.PublicKey{}, issuedKey{}, nexus.Errf("issue identity", nexus.CodeUnfit, path, "name the node's --data-dir, or issue the owner first",
			"there is no data directory to keep the key in")
	}
	key, err := identity.GenerateKey(path, name)
	if err != nil {
		return nexus.PublicKey{}, issuedKey{}, err
	}
	return key.Public(), issuedKey{path: path, made: true}, nil
}

// identityByName finds an identity that is not revoked; nil when there is none.
func (n *node) identityByName(ctx context.Context, name string) (*wire.IdentityRow, error) {
	all, err := get[wire.Identities](ctx, n, "/v1/identities")
	if err != nil {
		return nil, err
	}
	for i := range all.Identities {
		if row := &all.Identities[i]; row.Name == name && !row.Revoked {
			return row, nil
		}
	}
	return nil, nil
}

// dryRun asks the gates about a creation. The key of an unknown owner is a stand-in: nothing is written.
func (n *node) dryRun(ctx context.Context, req creationRequest) ([]wire.Verdict, error) {
	kind, err := creationKind(req.Kind)
	if err != nil {
		return nil, err
	}
	body := creationBody(req)
	if body.OwnerName != "" && !body.OwnerMustExist {
		known, err := n.identityByName(ctx, body.OwnerName)
		if err != nil {
			return nil, err
		}
		if known == nil {
			body.OwnerKey = standInKey(body.OwnerName)
		}
	}
	a, err := engine.NewAction(n.Signer(), n.Cluster(), kind, nexus.ID{}, body, n.app.now())
	if err != nil {
		return nil, err
	}
	return n.Try(ctx, a)
}

// standInKey is a key for a question that has no effect. Nobody holds its private half.
func standInKey(name string) nexus.PublicKey {
	var k nexus.PublicKey
	id := nexus.DeriveID("stand-in-key", []byte(name))
	copy(k[:], id[:])
	return k
}
