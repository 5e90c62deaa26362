package ledger

import "encoding/binary"

// AppendTo appends the body's canonical bytes to dst: what nexus.AppendCanonical writes, without reflection. Revenue is the
// one body that is written hundreds of thousands of times a second.
func (b *RevenueBody) AppendTo(dst []byte) []byte {
	dst = appendText(dst, b.Source)
	dst = appendText(dst, b.EventID)
	dst = binary.AppendUvarint(dst, b.ProducerSeq)
	dst = appendText(dst, b.Kind)
	dst = binary.AppendUvarint(dst, uint64(b.SourceClass))
	dst = appendText(dst, b.Currency)
	dst = binary.AppendVarint(dst, b.Minor)
	dst = binary.AppendVarint(dst, b.EventTimeMs)
	dst = binary.AppendUvarint(dst, uint64(len(b.Memo)))
	dst = append(dst, b.Memo...)
	dst = binary.AppendVarint(dst, b.GrossAfter)
	dst = binary.AppendVarint(dst, b.CreatorAfter)
	return appendText(dst, b.RefundOf)
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
