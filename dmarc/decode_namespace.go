package dmarc

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// prefix is a namespace prefix that the report declares.
type prefix struct {
	name      string
	extension bool // bound to a namespace other than that of the report
}

// Bounds for the declarations of a report.
const (
	maxPrefixes  = 64
	maxNamespace = 256
)

// rootTag reads the first start tag, t at p. It reports false when the tag is
// not used up, because it belongs inside of the root element.
func (d *Decoder) rootTag(t *tag, p int) (done bool, out outcome) {
	l, n := child(nodeFeedback, t.local)
	switch {
	case string(t.local) == nodes[nodeFeedback].name:
		d.root, d.open = rootOpen, nodeFeedback
		d.tags.use(t.prefix[:min(len(t.prefix), maxNamespace)])
		d.rootNamespace(t, p)
		if t.empty {
			d.root, d.open = rootClosed, nodeNone
		}
		return true, goOn
	case string(t.local) == "schema":
		// QUIRK(xs-schema-open): IKEA wraps the report in <xs:schema>, and forgets its end.
		d.schema = true
		d.note(CodeSchemaTag, p, d.buf[p:min(p+64, t.next)])
		return true, goOn
	case l != leafNone || n != nodeNone:
		// QUIRK(no-root): the content of a report without <feedback>.
		d.root, d.open = rootImplied, nodeFeedback
		d.tags.use(nil)
		d.note(CodeMissingRoot, p, t.local)
		return false, goOn
	}
	return true, d.stop(ReasonNotAReport, p, "the root element is %q", text.Cut(string(t.local), 32))
}

// rootNamespace finds the namespace of the root element t at p.
func (d *Decoder) rootNamespace(t *tag, p int) {
	found := t.prefix == nil
	for _, a := range d.namespace {
		name, isPrefix := bytes.CutPrefix(a.name, []byte("xmlns:"))
		if !isPrefix {
			name = nil
		}
		if bytes.Equal(name, t.prefix) {
			found = true
			d.doc.report.Namespace, _ = text.Valid(a.value[:min(len(a.value), maxNamespace)])
		}
	}
	switch ns := d.doc.report.Namespace; {
	case !found:
		// QUIRK(ns-undeclared-prefix)
		d.note(CodeUndeclaredPrefix, p, t.prefix)
		d.addPrefix(t.prefix, false)
	case ns != "" && ns != namespace1 && ns != namespace2:
		// QUIRK(ns-malformed): "http//dmarc.org/dmarc-xml/0.1"
		d.warn(CodeUnknownNamespace, p, ns)
	}
	d.declarePrefixes()
}

// isExtension reports whether t, found at p, belongs to another namespace than the
// report, as extensions do (RFC 9990, section 5).
func (d *Decoder) isExtension(t *tag, p int) bool {
	d.declarePrefixes()
	if t.prefix == nil {
		return false
	}
	if string(t.prefix) == d.tags.prefix {
		return false
	}
	for i := len(d.prefixes) - 1; i >= 0; i-- {
		if d.prefixes[i].name == string(t.prefix) {
			return d.prefixes[i].extension
		}
	}
	d.note(CodeUndeclaredPrefix, p, t.prefix)
	d.addPrefix(t.prefix, false)
	return false
}

// declarePrefixes notes the prefixes that the last tag declares. They are kept
// to the end of the record or, outside of records, of the report.
func (d *Decoder) declarePrefixes() {
	for _, a := range d.namespace {
		name, ok := bytes.CutPrefix(a.name, []byte("xmlns:"))
		if !ok {
			continue
		}
		v := string(a.value[:min(len(a.value), maxNamespace)])
		d.addPrefix(name, v != namespace1 && v != namespace2 && v != d.doc.report.Namespace)
	}
}

func (d *Decoder) addPrefix(name []byte, extension bool) {
	if len(d.prefixes) >= maxPrefixes || len(name) > maxNamespace {
		return
	}
	for i := len(d.prefixes) - 1; i >= 0; i-- {
		if p := d.prefixes[i]; p.name == string(name) {
			if p.extension == extension {
				return
			}
			break
		}
	}
	d.prefixes = append(d.prefixes, prefix{string(name), extension})
	if extension && string(name) == d.tags.prefix {
		d.tags.use(nil) // The report's own prefix is bound to something else as well.
	}
}
