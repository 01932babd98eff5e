package docs

import "regexp"

var generalInfo = regexp.MustCompile(`(?m)^//\s*@(title|version|license\.name)\s+(.+)$`)

// info reads the title, version and license in docs/docs.go, as swag does.
func (p *Project) info() Info {
	info := Info{
		Title: "Service", Version: "0.0.0",
		Description: "The events that the plugins publish, hear and answer. They travel within the service: through its database to durable " +
			"subscriptions, through memory to volatile ones. There is no broker to connect to.",
	}
	text, err := p.read("docs/docs.go")
	if err != nil {
		return info // the service has no HTTP documentation
	}
	for _, m := range generalInfo.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "title":
			info.Title = m[2] + " events"
		case "version":
			info.Version = m[2]
		case "license.name":
			info.License = &License{Name: m[2]}
		}
	}
	return info
}
