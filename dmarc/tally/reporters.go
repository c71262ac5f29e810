package tally

// wellKnown are names of reporters that most domains hear of, as these spell
// them. Each has a place that no other name takes.
var wellKnown = []string{
	"google.com", "Yahoo", "Yahoo! Inc.", "Outlook.com", "Enterprise Outlook", "Microsoft Corp.", "AOL", "AMAZON-SES", "Mail.Ru",
	"Fastmail", "FastMail Pty Ltd", "comcast.net", "GMX", "WEB.DE", "1&1 Mail & Media", "mimecast.org", "emailsrvr.com", "seznam.cz a.s.",
	"Zoho Corporation", "ProtonMail", "LinkedIn", "Yandex", "NetEase", "QQ.com", "cisco.com", "Rspamd",
}
