package dmarc

// tagCache remembers gaps: the bytes between two values, such as
//
//	</count>
//	      <policy_evaluated>
//	        <disposition>
//
// One program writes all records of a report, so the same few gaps come again
// and again, and one comparison replaces reading four tags. A gap is kept
// only when it consists of plain tags and white space, so that its meaning
// depends on nothing but the leaf before it and its bytes.
type tagCache struct {
	off    bool   // for tests
	budget int    // gaps of this report that may still be added
	prefix string // of the root element; its tags are as plain as those without
	before [leafLimit]gaps
}

// gaps are the gaps that follow one leaf, the latest first.
type gaps struct {
	n   int
	gap [4]gap
}

type gap struct {
	text   string
	next   leaf    // the leaf whose value follows, or leafBetween at the end of a record
	opens  [3]node // the nodes that are opened on the way and matter to openNode
	opened int
}

// Bounds of the cache: what is longer than gapBytes is no gap between tags of
// this format, and a report with more than gapBudget different gaps does not repeat itself.
const (
	gapBytes  = 512
	gapBudget = 256
)

func (c *tagCache) reset() { c.budget = gapBudget }

// use prepares for a report whose root element has the prefix. Gaps with
// another prefix are forgotten: here it may belong to an extension.
func (c *tagCache) use(prefix []byte) {
	if c.prefix == string(prefix) {
		return
	}
	c.prefix = string(prefix)
	c.before = [leafLimit]gaps{}
}

// find returns the gap behind leaf l that buf continues with.
func (c *tagCache) find(l leaf, buf []byte) *gap {
	s := &c.before[l]
	for i := range s.gap[:s.n] {
		t := s.gap[i].text
		if len(t) <= len(buf) && string(buf[:len(t)]) == t {
			if i > 0 {
				s.gap[0], s.gap[i] = s.gap[i], s.gap[0]
			}
			return &s.gap[0]
		}
	}
	return nil
}

// pendingGap is a gap while its tags are read.
type pendingGap struct {
	after leaf // leafNone when the gap cannot be kept
	from  int
	gap   gap
}

// open notes that the gap opens n.
func (s *pendingGap) open(n node) {
	switch n {
	case nodeMetadata, nodePolicy, nodeRecord, nodeReason, nodeDKIM, nodeSPF:
		// A record that opens behind the header is no transaction yet: see checkpoint.
		if s.gap.opened == len(s.gap.opens) || n == nodeRecord && s.after != leafBetween {
			s.after = leafNone
			return
		}
		s.gap.opens[s.gap.opened] = n
		s.gap.opened++
	}
}

// add keeps the gap text that leads to next.
func (c *tagCache) add(s *pendingGap, text []byte, next leaf) {
	if s.after == leafNone || c.off || c.budget == 0 || len(text) > gapBytes {
		return
	}
	c.budget--
	b := &c.before[s.after]
	if b.n < len(b.gap) {
		b.n++
	}
	copy(b.gap[1:b.n], b.gap[:])
	b.gap[0] = s.gap
	b.gap[0].text, b.gap[0].next = string(text), next
}
