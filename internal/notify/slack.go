package notify

import (
	"net/http"
	"regexp"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// answered judges Slack's answer. Slack accepts with status 200 and the body "ok", and nothing
// else: some of its refusals have status 200 too.
func answered(code int, header http.Header, body string) outbound.Outcome {
	status := "status " + strconv.Itoa(code)
	switch {
	case code == http.StatusOK && body == "ok":
		return outbound.Outcome{State: bakeoff.DeliverySent}
	case code == http.StatusTooManyRequests:
		return outbound.Outcome{
			State: bakeoff.DeliveryRetrying, Wait: outbound.RetryAfter(header), Detail: status + ": the receiver asks to wait",
		}
	case code >= 500:
		return outbound.Outcome{State: bakeoff.DeliveryRetrying, Wait: outbound.RetryAfter(header), Detail: status + said(body)}
	case code >= 300 && code < 400:
		return outbound.Refused(status+": the receiver points to another address", "give the final URL: redirects are not followed")
	}
	return outbound.Refused(status+said(body), fixFor(body))
}

// wordForm is what Slack's own words look like; anything else in an answer is not shown.
var wordForm = regexp.MustCompile(`^[a-z][a-z0-9_]{1,63}$`)

// said quotes the word that the receiver answered with, if it is one.
func said(body string) string {
	if wordForm.MatchString(body) {
		return ": " + body
	}
	return ""
}

// fixes says what to do about Slack's words (its guide "Sending messages using incoming webhooks"
// and its changelog of webhook errors).
var fixes = map[string]string{
	"no_service":                        "the webhook was revoked or is switched off: create a new one in Slack and put its URL into the file",
	"no_service_id":                     "the URL is not complete: copy it from Slack again",
	"no_team":                           "the workspace in the URL does not exist: copy the URL from Slack again",
	"team_disabled":                     "the Slack workspace is disabled: ask its administrator",
	"invalid_token":                     "the URL is not valid any more: copy it from Slack again, or create a new webhook",
	"no_active_hooks":                   "the webhook is disabled: enable it in Slack or create a new one",
	"user_not_found":                    "the person that the webhook wrote to is gone: create a webhook for a channel",
	"channel_not_found":                 "the channel was deleted: create a webhook for another one",
	"channel_is_archived":               "unarchive the channel in Slack, or create a webhook for another one",
	"action_prohibited":                 "an administrator of the workspace does not allow it: ask them",
	"posting_to_general_channel_denied": "an administrator has restricted that channel: create a webhook for another one",
	"too_many_attachments":              "this is a fault of bakeoff: please report it",
	"invalid_payload":                   "this is a fault of bakeoff: please report it",
	"invalid_blocks":                    "this is a fault of bakeoff: please report it",
	"invalid_blocks_format":             "this is a fault of bakeoff: please report it",
	"msg_blocks_too_long":               "this is a fault of bakeoff: please report it",
	"no_text":                           "this is a fault of bakeoff: please report it",
}

func fixFor(body string) string {
	if fix, ok := fixes[body]; ok {
		return fix
	}
	return "check that the URL is that of an incoming webhook which answers \"ok\", as Slack's do"
}
