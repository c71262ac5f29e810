package dmarc

// checkpoint is the state at the last place that parsing can resume at. A record is
// a transaction: when the window ends inside of it, it is parsed again from
// its start after more was read.
type checkpoint struct {
	at       int  // place in the window
	leaf     leaf // at is inside of this leaf, or behind a record
	open     node
	skip     int // open unknown elements
	comment  bool
	warnings int
	dropped  int
	codes    uint64
	prefixes int
	work     int64
}

// commit makes p the checkpoint: parsing resumes there when the window ends.
func (d *Decoder) commit(p int) {
	if len(d.doc.report.Warnings) > MaxWarnings {
		d.boundWarnings()
	}
	c := &d.checkpoint
	c.at, c.leaf, c.open, c.skip, c.comment = p, leafNone, d.open, d.skip, d.comment
	c.warnings, c.dropped, c.prefixes = len(d.doc.report.Warnings), d.doc.report.WarningsDropped, len(d.prefixes)
	c.codes, c.work = d.codes, d.work
}

// commitIn is commit for a place inside of the leaf l, or behind a record.
func (d *Decoder) commitIn(l leaf, p int) {
	d.open = leaves[l].node
	d.commit(p)
	d.checkpoint.leaf = l
}

// rollback takes back what happened behind the checkpoint.
func (d *Decoder) rollback() {
	c := &d.checkpoint
	d.open, d.skip, d.comment, d.codes = c.open, c.skip, c.comment, c.codes
	d.doc.report.Warnings = d.doc.report.Warnings[:c.warnings]
	d.doc.report.WarningsDropped = c.dropped
	d.prefixes, d.work = d.prefixes[:c.prefixes], c.work
}
