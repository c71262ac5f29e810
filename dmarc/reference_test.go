package dmarc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// reference is an aggregate report as encoding/xml sees it: every list is
// one, so that duplicates show, and every value is text.
type reference struct {
	XMLName  xml.Name
	Metadata []struct {
		OrgName  []string `xml:"org_name"`
		Email    []string `xml:"email"`
		ReportID []string `xml:"report_id"`
		Errors   []string `xml:"error"`
		Range    []struct {
			Begin []string `xml:"begin"`
			End   []string `xml:"end"`
		} `xml:"date_range"`
	} `xml:"report_metadata"`
	Policy []struct {
		Domain []string `xml:"domain"`
		P      []string `xml:"p"`
	} `xml:"policy_published"`
	Records []referenceRecord `xml:"record"`
}

type referenceRecord struct {
	Row []struct {
		Source    []string `xml:"source_ip"`
		Count     []string `xml:"count"`
		Evaluated []struct {
			Disposition []string `xml:"disposition"`
			DKIM        []string `xml:"dkim"`
			SPF         []string `xml:"spf"`
			Reasons     []struct {
				Type    []string `xml:"type"`
				Comment []string `xml:"comment"`
				Text    string   `xml:",chardata"`
			} `xml:"reason"`
		} `xml:"policy_evaluated"`
	} `xml:"row"`
	Identifiers []struct {
		HeaderFrom   []string `xml:"header_from"`
		EnvelopeFrom []string `xml:"envelope_from"`
		EnvelopeTo   []string `xml:"envelope_to"`
	} `xml:"identifiers"`
	Auth []struct {
		DKIM []struct {
			Domain   []string `xml:"domain"`
			Selector []string `xml:"selector"`
			Result   []string `xml:"result"`
			Human    []string `xml:"human_result"`
		} `xml:"dkim"`
		SPF []struct {
			Domain []string `xml:"domain"`
			Scope  []string `xml:"scope"`
			Result []string `xml:"result"`
			Human  []string `xml:"human_result"`
		} `xml:"spf"`
	} `xml:"auth_results"`
}

// parseReference reads doc with encoding/xml, to the end of the document.
func parseReference(doc []byte) (*reference, error) {
	x := xml.NewDecoder(bytes.NewReader(doc))
	x.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var r reference
	if err := x.Decode(&r); err != nil {
		return nil, err
	}
	if r.XMLName.Local != "feedback" {
		return nil, errors.New("no feedback element")
	}
	for {
		if _, err := x.Token(); errors.Is(err, io.EOF) {
			return &r, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// first returns the first element, trimmed, as the Decoder does.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[0])
}

// refRow is what the two decoders are compared by: one record as plain text.
// A Decoder folds and repairs some values, so these are reduced on both sides.
type refRow struct {
	Source, Count, Disposition, DKIM, SPF string
	HeaderFrom, EnvelopeFrom, EnvelopeTo  string
	Reasons, AuthDKIM, AuthSPF            [][4]string
}

// hasReasonText reports whether a reason has text of its own, which the Decoder
// takes for its type.
func (r *reference) hasReasonText() bool {
	for _, rec := range r.Records {
		for _, row := range rec.Row {
			for _, e := range row.Evaluated {
				for _, o := range e.Reasons {
					if strings.TrimSpace(o.Text) != "" {
						return true
					}
				}
			}
		}
	}
	return false
}

func (r *reference) rows() []refRow {
	var rows []refRow
	for _, rec := range r.Records {
		var row refRow
		values := 0
		collect := func(dst *string, v []string) {
			if len(v) > 0 && values >= 0 {
				values++
			}
			if *dst == "" {
				*dst = first(v)
			}
		}
		seen := [8]bool{}
		set := func(i int, dst *string, v []string) {
			if !seen[i] && len(v) > 0 {
				seen[i] = true
				collect(dst, v)
			}
		}
		for _, x := range rec.Row {
			set(0, &row.Source, x.Source)
			set(1, &row.Count, x.Count)
			for _, e := range x.Evaluated {
				set(2, &row.Disposition, e.Disposition)
				set(3, &row.DKIM, e.DKIM)
				set(4, &row.SPF, e.SPF)
				for _, o := range e.Reasons {
					values += len(o.Type) + len(o.Comment)
					row.Reasons = append(row.Reasons, [4]string{strings.ToLower(first(o.Type)), first(o.Comment)})
				}
			}
		}
		for _, x := range rec.Identifiers {
			set(5, &row.HeaderFrom, x.HeaderFrom)
			set(6, &row.EnvelopeFrom, x.EnvelopeFrom)
			set(7, &row.EnvelopeTo, x.EnvelopeTo)
		}
		for _, x := range rec.Auth {
			for _, s := range x.DKIM {
				values += len(s.Domain) + len(s.Selector) + len(s.Result) + len(s.Human)
				row.AuthDKIM = append(row.AuthDKIM, [4]string{refDomain(first(s.Domain)), first(s.Selector), strings.ToLower(first(s.Result)), first(s.Human)})
			}
			for _, s := range x.SPF {
				values += len(s.Domain) + len(s.Scope) + len(s.Result) + len(s.Human)
				row.AuthSPF = append(row.AuthSPF, [4]string{refDomain(first(s.Domain)), strings.ToLower(first(s.Scope)), strings.ToLower(first(s.Result)), first(s.Human)})
			}
		}
		if values == 0 {
			continue
		}
		row.Count = refCount(row.Count)
		row.Disposition = strings.ToLower(row.Disposition)
		row.DKIM, row.SPF = strings.ToLower(row.DKIM), strings.ToLower(row.SPF)
		row.HeaderFrom = refDomain(row.HeaderFrom)
		row.EnvelopeFrom, row.EnvelopeTo = refDomain(row.EnvelopeFrom), refDomain(row.EnvelopeTo)
		rows = append(rows, row)
	}
	return rows
}

// refCount keeps counts that need no judgement.
func refCount(s string) string {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil && n <= 1_000_000_000_000 {
		return strconv.FormatUint(n, 10)
	}
	return "?"
}

func refDomain(s string) string {
	s = strings.ToLower(s)
	if len(s) > 1 {
		s = strings.TrimSuffix(s, ".")
	}
	return s
}

// decodedRows reduces the records of a Decoder to what the reference has.
func decodedRows(r *Report, ref []refRow) []refRow {
	var rows []refRow
	for i, rec := range r.Records {
		row := refRow{
			Source: rec.Source, Count: strconv.FormatInt(rec.Count, 10),
			Disposition: decodedWord(string(rec.Disposition), rec.RawDisposition),
			DKIM:        decodedWord(string(rec.DKIM), rec.RawDKIM), SPF: decodedWord(string(rec.SPF), rec.RawSPF),
			HeaderFrom: rec.HeaderFrom, EnvelopeFrom: rec.EnvelopeFrom, EnvelopeTo: rec.EnvelopeTo,
		}
		if i < len(ref) {
			if ref[i].Count == "?" {
				row.Count = "?"
			}
			if ref[i].HeaderFrom == "" && row.HeaderFrom == r.Policy.Domain {
				row.HeaderFrom = ""
			}
		}
		for _, o := range rec.Reasons {
			row.Reasons = append(row.Reasons, [4]string{o.Type, o.Comment})
		}
		for _, s := range rec.AuthDKIM {
			row.AuthDKIM = append(row.AuthDKIM, [4]string{s.Domain, s.Selector, decodedWord(string(s.Result), s.RawResult), s.HumanResult})
		}
		for _, s := range rec.AuthSPF {
			row.AuthSPF = append(row.AuthSPF, [4]string{s.Domain, s.Scope, decodedWord(string(s.Result), s.RawResult), s.HumanResult})
		}
		rows = append(rows, row)
	}
	return rows
}

func decodedWord(word, raw string) string {
	if raw != "" {
		return strings.ToLower(raw)
	}
	return word
}

// checkReport tests what holds for every report that is accepted.
func checkReport(r *Report) string {
	texts := []string{r.Namespace, r.Version, r.Metadata.OrgName, r.Metadata.Email, r.Metadata.ExtraContactInfo, r.Metadata.ReportID, r.Metadata.Generator, r.Policy.Domain, r.Policy.Fo}
	texts = append(texts, r.Metadata.Errors...)
	for _, w := range r.Warnings {
		if len(w.Value) > 64+3 || w.Line < 1 || w.Offset < 0 {
			return "a warning is out of bounds"
		}
		texts = append(texts, w.Value)
	}
	for _, rec := range r.Records {
		if rec.Count < 0 || rec.Count > text.MaxCount {
			return "a count is out of range"
		}
		if rec.SourceIP.IsValid() && (rec.SourceIP.Zone() != "" || rec.SourceIP.Is4In6()) {
			return "an address has ornaments"
		}
		if a, err := netip.ParseAddr(rec.Source); err == nil && a.WithZone("").Unmap() != rec.SourceIP {
			return "an address is wrong"
		}
		texts = append(texts, rec.Source, rec.RawDisposition, rec.RawDKIM, rec.RawSPF, rec.HeaderFrom, rec.EnvelopeFrom, rec.EnvelopeTo)
		for _, o := range rec.Reasons {
			texts = append(texts, o.Type, o.Comment)
		}
		for _, s := range rec.AuthDKIM {
			texts = append(texts, s.Domain, s.Selector, s.RawResult, s.HumanResult)
		}
		for _, s := range rec.AuthSPF {
			texts = append(texts, s.Domain, s.Scope, s.RawResult, s.HumanResult)
		}
	}
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return "a text is not UTF-8"
		}
	}
	if r.Metadata.Begin.IsZero() || r.Metadata.End.IsZero() || r.Policy.Domain == "" || r.Metadata.ReportID == "" {
		return "the report has no identity"
	}
	return ""
}
