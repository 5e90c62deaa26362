package state

// The kinds of action about money beside the split (docs/money.md).
const (
	KindPendingOpen   = "pending.open"
	KindPendingPost   = "pending.post"
	KindPendingVoid   = "pending.void"
	KindPendingExpire = "pending.expire"
	KindTransferMake  = "transfer.make"
	KindHoldPlace     = "hold.place"
	KindHoldRelease   = "hold.release"
	KindHoldCapture   = "hold.capture"
	KindHoldExpire    = "hold.expire"
	KindPayoutSet     = "payout.set"
	KindPayoutOpen    = "payout.open"
	KindPayoutPost    = "payout.post"
	KindPayoutVoid    = "payout.void"
)
