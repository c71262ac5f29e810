package unpack

import (
	"errors"
	"io"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Kind is the kind of a report document.
type Kind string

// The kinds of documents. KindUnknown is that of a Document with Err set.
const (
	KindUnknown   Kind = ""
	KindAggregate Kind = "aggregate" // XML (RFC 9990, RFC 7489)
	KindTLS       Kind = "tls"       // JSON (RFC 8460)
	KindFailure   Kind = "failure"   // a mail with a feedback report (RFC 9991, RFC 5965)
)

// Document is one report document, or one damaged member. It and everything
// it refers to belong to the Walker and are valid only during the call of
// visit, but for Name, Kind and Err, which are safe to keep.
type Document struct {
	// Name is the path through the containers, whose names are untrusted
	// input: a hint for people, never a file name. It is valid UTF-8 without
	// control characters.
	Name string
	Kind Kind
	// Reader gives the document. It ends with io.EOF only when the document and
	// the checksums of all layers around it were read and are right; any other
	// error is a *dmarc.Error. What is not read to io.EOF is not verified. It is
	// nil when Err is set.
	//
	// A failure report is the whole mail, without the envelope line of an mbox.
	Reader io.Reader
	// Err is the *dmarc.Error of a container or member that was refused and
	// whose neighbours may be good. Its Reason is never not_a_report: what is
	// no report is passed over.
	Err error
	// Warnings are those of the containers around the document. More may be
	// added until Reader has returned io.EOF.
	Warnings []dmarc.Warning
	// WarningsDropped counts the warnings beyond dmarc.MaxWarnings.
	WarningsDropped int
	// Mail is the mail that carried the document, nil when there is none.
	Mail *Mail
}

// Walk calls visit for every report document inside r, in order. It is
// NewWalker(limits).Walk(r, visit).
func Walk(r io.Reader, limits Limits, visit func(*Document) error) error {
	return NewWalker(limits).Walk(r, visit)
}

// Walker walks one input after the other and keeps its buffers in between. It
// must not be used by two goroutines at a time, nor by visit.
type Walker struct {
	// Large, unless it is nil, is called once in a walk: before more than 4 MiB
	// of a mail or an archive are held in memory, however small the input was.
	// Programs with several walkers let it wait, so that only one takes that
	// much. Its error ends the walk as if the input had failed.
	Large func() error

	limits  Limits
	visit   func(*Document) error
	doc     Document
	meter   meter
	root    root
	large   bool        // Large was called
	path    []byte      // names of the containers, joined by slashes
	mail    *Mail       // the innermost mail
	depth   int         // containers around the current position
	held    int64       // bytes of mails and archives in memory
	layers  []*layer    // buffers, by depth
	mails   []*Mail     // by nesting, for reuse
	members []member    // of the archives around the current position
	parts   []mime.Part // MIME parts of the mails around the current position
	mime    mime.Walker
	cutOff  bool // the failure report or bounce that was just visited has no end
	found   bool // visit was called
	// The warnings of the containers around the current position.
	warnings  []dmarc.Warning
	dropped   int
	rejection rejection // why nothing was found
}

// NewWalker makes a Walker.
func NewWalker(limits Limits) *Walker {
	return &Walker{limits: limits.withDefaults()}
}

// Walk calls visit for every report document inside r, in order, and for every
// member that is recognised but damaged, encrypted or beyond the limits, with
// Err set: damage in one member does not hide the others.
//
// When visit was not called, the error is a *dmarc.Error that says why.
// Otherwise the error is that of visit, which ends the walk and is returned as
// it is, or a *dmarc.Error with dmarc.ReasonIO when r failed.
//
// A mail is held in memory whole. An r that has the method Len() int of
// bytes.Reader tells how much that will be, which may only be a guess: Walk then
// takes that much at once.
func (w *Walker) Walk(r io.Reader, visit func(*Document) error) error {
	w.visit = visit
	w.warnings, w.dropped = w.warnings[:0], 0
	w.meter, w.large = meter{}, false
	w.root = root{w: w, r: r}
	w.path, w.mail, w.depth, w.held = w.path[:0], nil, 0, 0
	w.parts, w.members = w.parts[:0], w.members[:0]
	w.found, w.rejection = false, rejection{dmarc.ReasonNotAReport, "no report inside"}
	defer w.release()

	l := w.layer(0)
	l.in = input{buf: l.buffer(), src: &w.root}
	if sized, ok := r.(interface{ Len() int }); ok {
		l.in.size = int64(sized.Len())
	}
	if err := w.open(&l.in); err != nil {
		return err
	}
	if w.root.err != nil {
		return w.root.err
	}
	if !w.found {
		return refusal(w.rejection.reason, "%s", w.rejection.text)
	}
	return nil
}

// release forgets the caller's values and buffers that grew unusually large.
func (w *Walker) release() {
	w.visit, w.root.r, w.doc.Reader, w.doc.Mail = nil, nil, nil, nil
	large := false
	for _, l := range w.layers {
		l.in, l.src = input{}, input{}
		l.encoded.release()
		if cap(l.held) > keepBuffer {
			l.held, large = nil, true
		}
	}
	if large { // nothing may keep them alive
		w.parts, w.members, w.mails, w.mime = nil, nil, nil, mime.Walker{}
	}
}

// emit gives a document to visit.
func (w *Walker) emit(kind Kind, r io.Reader) error { return w.show(kind, r, nil) }

// show calls visit for the current position.
func (w *Walker) show(kind Kind, r io.Reader, err error) error {
	w.found = true
	w.showWarnings()
	w.doc.Name, w.doc.Kind, w.doc.Reader, w.doc.Err, w.doc.Mail = w.name(), kind, r, err, w.mail
	return w.visit(&w.doc)
}

// refuse gives visit a member that is damaged. It does nothing when err is nil.
func (w *Walker) refuse(err error) error {
	if err == nil {
		return nil
	}
	var e *dmarc.Error
	if !errors.As(err, &e) {
		e = &dmarc.Error{Reason: dmarc.ReasonCorrupt, Offset: -1, Err: err}
	}
	if e.Reason == dmarc.ReasonIO {
		return e // the input itself failed: no use in going on
	}
	return w.show(KindUnknown, nil, e)
}

// rejection is why something was passed over.
type rejection struct {
	reason dmarc.Reason
	text   string
}

// pass notes that something is no report. It counts only when nothing else is
// found, and then the reason counts that says most.
func (w *Walker) pass(reason dmarc.Reason, text string) {
	if weight(reason) >= weight(w.rejection.reason) {
		w.rejection = rejection{reason, text}
	}
}

// weight orders the reasons to pass something over by how much they say.
func weight(r dmarc.Reason) int {
	switch r {
	case dmarc.ReasonUnsupported, dmarc.ReasonEncoding:
		return 3
	case dmarc.ReasonEmpty:
		return 2
	default:
		return 1
	}
}

// warn adds a warning to the current document.
func (w *Walker) warn(code dmarc.Code, value []byte) {
	seen := func(o dmarc.Warning) bool { return o.Code == code }
	if len(w.warnings) >= dmarc.MaxWarnings && slices.ContainsFunc(w.warnings, seen) {
		w.dropped++
	} else {
		w.warnings = append(w.warnings, dmarc.Warning{Code: code, Offset: -1, Value: printable(value, 64)})
	}
	w.showWarnings()
}

// showWarnings gives the document its warnings. Those of the walk may be a few
// more, because leave takes back what was added since enter.
func (w *Walker) showWarnings() {
	list, dropped := append(w.doc.Warnings[:0], w.warnings...), 0
	w.doc.Warnings, dropped = text.Bound(list, dmarc.MaxWarnings, func(w dmarc.Warning) dmarc.Code { return w.Code })
	w.doc.WarningsDropped = w.dropped + dropped
}

// position is the state to return to behind a container or member.
type position struct{ path, warnings, dropped, depth int }

// push goes to a member called name. It returns what leave needs.
func (w *Walker) push(name []byte) position {
	m := position{len(w.path), len(w.warnings), w.dropped, w.depth}
	if len(name) > 0 && len(w.path) < maxPath {
		if len(w.path) > 0 {
			w.path = append(w.path, '/')
		}
		w.path = append(w.path, name[:min(len(name), maxPath)]...)
	}
	return m
}

// enter goes into a container and to its member called name.
func (w *Walker) enter(name []byte) position {
	m := w.push(name)
	w.depth++
	return m
}

// leave returns to where push or enter was called.
func (w *Walker) leave(m position) {
	w.path = w.path[:m.path]
	w.warnings, w.dropped = w.warnings[:m.warnings], m.dropped
	w.depth = m.depth
}

// maxPath bounds the bytes of a Document's Name.
const maxPath = 512

func (w *Walker) name() string { return printable(w.path, maxPath) }
