package trust_test

import (
	"testing"

	"github.com/emersion/go-msgauth/authres"
)

// TestLibraryIsFooled holds why Authentication-Results are not read by the library
// that verifies DKIM: what a sender has got into a quoted string or a comment
// becomes a result there. When it fails, our parser can go.
func TestLibraryIsFooled(t *testing.T) {
	for _, field := range []string{
		`mx.mine.example; spf=fail smtp.mailfrom="x; dkim=pass header.d=bank.example "@evil.example`,
		`mx.mine.example; spf=fail (x; dkim=pass header.d=bank.example ) smtp.mailfrom=evil.example`,
	} {
		_, results, _ := authres.Parse(field)
		fooled := false
		for _, r := range results {
			dkim, ok := r.(*authres.DKIMResult)
			fooled = fooled || ok && dkim.Value == authres.ResultPass && dkim.Domain == "bank.example"
		}
		if !fooled {
			t.Errorf("the library reads %q right: use it in place of parseResults", field)
		}
	}
}
