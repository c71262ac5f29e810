package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

const (
	// maxSignatures is how many aligned signatures are verified.
	maxSignatures = 5
	// maxSigned is how many header fields a signature may name, and maxFields
	// how many there may be: the library looks for each name in all of them.
	maxSigned = 200
	maxFields = 5000
	// maxKey is the size of a key record. It bounds the time for a signature.
	maxKey = 4 << 10
)

// signature is a DKIM-Signature field at an offset of a mail.
type signature struct {
	start, end int
	tags       map[string]string
}

// signatures verifies the aligned signatures of a mail. Signatures of others,
// such as forwarders, prove nothing and cost nothing.
func (p Policy) signatures(ctx context.Context, mail *unpack.Mail, kind unpack.Kind, from string) Result {
	if n := bytes.Count(mail.Header, []byte("\n")); n > maxFields {
		return Result{Outcome: Fail, Reason: fmt.Sprintf("%d lines of header", n)}
	}
	all := findSignatures(mail.Header)
	if len(all) == 0 {
		return Result{Outcome: None, Reason: "no signature"}
	}
	result := Result{Outcome: Fail, Reason: "no signature of " + from}
	tried := 0
	for i, s := range all {
		domain := normal(s.tags["d"])
		if !p.aligned(domain, from) {
			continue
		}
		if tried++; tried > maxSignatures {
			break
		}
		lookup := &lookup{policy: p, kind: kind}
		err := lookup.verify(ctx, only(mail.Raw, all, i), s)
		if err == nil {
			return Result{Outcome: Pass, Reason: "DKIM signature verified", Domain: domain}
		}
		result.Reason = fmt.Sprintf("DKIM signature of %s: %v", domain, err)
		result.Temporary = result.Temporary || lookup.temporary
	}
	return result
}

// lookup fetches the key of one signature.
type lookup struct {
	policy    Policy
	kind      unpack.Kind
	temporary bool
}

// verify verifies the one signature of a mail.
func (l *lookup) verify(ctx context.Context, mail []byte, s signature) error {
	if strings.Count(s.tags["h"], ":") >= maxSigned {
		return errors.New("too many fields signed")
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(mail), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return l.key(ctx, name) }, MaxVerifications: 1,
	})
	switch {
	case err != nil:
		return err
	case len(found) != 1:
		return errors.New("no signature")
	}
	return found[0].Err
}

// key fetches a key record and adapts it to the kind of report.
func (l *lookup) key(ctx context.Context, name string) ([]string, error) {
	records, err := l.policy.LookupTXT(ctx, name)
	if err != nil {
		var dns *net.DNSError
		l.temporary = !errors.As(err, &dns) || !dns.IsNotFound
		return nil, err
	}
	for i, record := range records {
		if len(record) > maxKey {
			return nil, fmt.Errorf("a key record of %d bytes", len(record))
		}
		if l.kind != unpack.KindTLS {
			continue
		}
		if records[i], err = forTLS(record); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// forTLS checks that a key is for TLS reports (RFC 8460, section 3) and drops
// its list of services, of which the library only knows "email".
func forTLS(record string) (string, error) {
	var kept []string
	for tag := range strings.SplitSeq(record, ";") {
		name, value, _ := strings.Cut(tag, "=")
		if strings.TrimSpace(name) != "s" {
			kept = append(kept, tag)
			continue
		}
		allowed := false
		for service := range strings.SplitSeq(value, ":") {
			service = strings.TrimSpace(service)
			allowed = allowed || service == "*" || strings.EqualFold(service, "tlsrpt")
		}
		if !allowed {
			return "", fmt.Errorf("the key is for %q, not for tlsrpt", strings.TrimSpace(value))
		}
	}
	return strings.Join(kept, ";"), nil
}

// findSignatures finds the signatures in a header block.
func findSignatures(header []byte) []signature {
	const name = "dkim-signature"
	var out []signature
	for start := 0; start < len(header); {
		end := start + line(header[start:])
		for end < len(header) && (header[end] == ' ' || header[end] == '\t') {
			end += line(header[end:])
		}
		field, value, _ := bytes.Cut(header[start:end], []byte(":"))
		if strings.EqualFold(string(bytes.TrimSpace(field)), name) {
			out = append(out, signature{start: start, end: end, tags: tags(string(value))})
		}
		start = end
	}
	return out
}

// line returns the length of the first line with its end.
func line(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// tags reads a list of tags. Of the values white space is dropped, as it never
// means anything in those that are used here.
func tags(text string) map[string]string {
	out := make(map[string]string)
	for tag := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(tag, "=")
		out[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), "")
	}
	return out
}

// only returns the mail with the ith signature alone: the library would verify
// all at once, which costs a hostile mail more time than it is worth. A
// signature that covers other signatures therefore fails.
func only(mail []byte, all []signature, i int) []byte {
	if len(all) == 1 {
		return mail
	}
	out := make([]byte, 0, len(mail))
	start := 0
	for j, s := range all {
		if j != i {
			out = append(out, mail[start:s.start]...)
			start = s.end
		}
	}
	return append(out, mail[start:]...)
}
