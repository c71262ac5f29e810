package tally

import "testing"

func TestReporterLabelsFold(t *testing.T) {
	for in, want := range map[string]string{
		"GOOGLE.COM": "google.com", "Google.com.": "google.com", "google\u3002com": "google.com", "goo\u00adgle.com": "google.com",
		"Enterprise Outlook": "Enterprise Outlook", "AOL": "AOL",
	} {
		if got := oneCase(clean(in)); got != want {
			t.Errorf("%q is labelled %q, want %q", in, got, want)
		}
	}
	for _, label := range []string{"Other", "OTHER", "Unknown", Foreign} {
		if !stands(label) {
			t.Errorf("%q could be taken for what stands for more than one thing", label)
		}
	}
}

// TestGarbledReporters never makes a label of a name that was not read rightly.
func TestGarbledReporters(t *testing.T) {
	for _, test := range []struct{ org, address, want string }{
		{"Gr\uFFFD\uFFFDe Post", "dmarc@Mail.example", "mail.example"},
		{"Gr\xf6\xdfe Post", "dmarc@mail.example", "mail.example"},
		{"Gr\u00c3\u00b6\u00c3\u009fe", "dmarc@mail.example", "mail.example"},
		{"\u0083\uFFFD", "nobody", Unknown},
		{"\uFFFD", "", Unknown},
		{"Gr\u00f6\u00dfe Post", "dmarc@mail.example", "Gr\u00f6\u00dfe Post"},
		{"Mail\x01Corp", "dmarc@mail.example", "MailCorp"},
	} {
		d := New(Config{}).Begin()
		d.entry = &Entry{}
		if got := d.reporterLabel(test.org, test.address); got != test.want {
			t.Errorf("%q of %q is labelled %q, want %q", test.org, test.address, got, test.want)
		}
	}
}
