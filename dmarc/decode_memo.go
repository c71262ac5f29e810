package dmarc

// memo remembers gaps: the bytes between two values, such as
//
//	</count>
//	      <policy_evaluated>
//	        <disposition>
//
// One program writes all records of a report, so the same few gaps come again
// and again, and one comparison replaces reading four tags. A gap is learnt
// only when it consists of plain tags and white space, so that its meaning
// depends on nothing but the leaf before it and its bytes.
type memo struct {
	off    bool
	budget int    // gaps that may still be learnt from this report
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

// Bounds of the memo: what is longer than gapBytes is no gap between tags of
// this format, and a report with more than learnBudget different gaps does not repeat itself.
const (
	gapBytes    = 512
	learnBudget = 256
)

func (m *memo) reset() { m.budget = learnBudget }

// use prepares for a report whose root element has the prefix. What was learnt
// with another prefix is forgotten, as that may be foreign here.
func (m *memo) use(prefix []byte) {
	if m.prefix == string(prefix) {
		return
	}
	m.prefix = string(prefix)
	m.before = [leafLimit]gaps{}
}

// find returns the gap behind leaf l that buf continues with.
func (m *memo) find(l leaf, buf []byte) *gap {
	s := &m.before[l]
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

// lesson is a gap while it is read.
type lesson struct {
	after leaf // leafNone when nothing can be learnt
	from  int
	gap   gap
}

// open notes that the gap opens n.
func (s *lesson) open(n node) {
	switch n {
	case nodeMetadata, nodePolicy, nodeRecord, nodeReason, nodeDKIM, nodeSPF:
		// A record that opens behind the header is no transaction yet: see mark.
		if s.gap.opened == len(s.gap.opens) || n == nodeRecord && s.after != leafBetween {
			s.after = leafNone
			return
		}
		s.gap.opens[s.gap.opened] = n
		s.gap.opened++
	}
}

// learn remembers the gap text that leads to next.
func (m *memo) learn(s *lesson, text []byte, next leaf) {
	if s.after == leafNone || m.off || m.budget == 0 || len(text) > gapBytes {
		return
	}
	m.budget--
	b := &m.before[s.after]
	if b.n < len(b.gap) {
		b.n++
	}
	copy(b.gap[1:b.n], b.gap[:])
	b.gap[0] = s.gap
	b.gap[0].text, b.gap[0].next = string(text), next
}
