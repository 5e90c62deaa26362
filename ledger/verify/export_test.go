package verify

// CreatorTotalForTest lets the test compare the checker's own arithmetic with the writer's.
func CreatorTotalForTest(gross int64, percent uint64) int64 { return creatorTotal(gross, percent) }
