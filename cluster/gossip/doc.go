// Package gossip keeps the picture of who is there: a Serf agent (SWIM failure detection over UDP and TCP, AES-256
// encrypted) whose events become a cluster.View and a stream of cluster.MemberEvent (DESIGN.md section 4).
//
// Promises: liveness and hints only, never authority: being a member grants no log seat and no traffic. A member's
// name is the hash of its node key; Serf's own name-conflict voting is off and a conflict is an event. Serf is
// never blocked: its events go through a bounded queue into a goroutine of ours, what does not fit is counted, and
// a periodic full sync rebuilds the View from Serf's own list. Run returns when its goroutines have.
//
// The key of the encryption rotates (keys.go): one node, the keeper, makes keys, and each admitted member fetches the ring from it over a stream of its own
// (handover.go), which needs no gossip key. So a member that slept through rotations is handed what it missed, and one that is not admitted any more is not
// (docs/decisions/0075-gossip-key-rotation.md).
//
// It imports the root package and cluster only, and is the only importer of hashicorp/serf and memberlist.
package gossip
