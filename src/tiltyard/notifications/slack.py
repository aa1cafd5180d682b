"""Notices for Slack's incoming webhooks, and those that read the same (Mattermost, Rocket.Chat, Discord's /slack)."""

from __future__ import annotations

from typing import Any

from tiltyard.ledger import Notice, OutboxItem
from tiltyard.ledger.storable import encode_json
from tiltyard.notifications.notice_text import NoticeText
from tiltyard.notifications.webhook import post

# Slack's limits: https://api.slack.com/reference/block-kit/blocks
_TITLE, _TEXT = 150, 3000


class SlackSender:
    """Posts a notification as a Slack message. The URL is the secret."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, item: OutboxItem) -> None:
        """Post the message; see ``Sender.send``."""
        post(self._url, encode_json(build_slack_message(item.notice)).encode(), {})


def build_slack_message(notice: Notice) -> dict[str, Any]:
    """The message: a plain fall-back for notifications, then a header, the text, and a link."""
    text = NoticeText.from_notice(notice)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": text.title[:_TITLE]}},
    ]
    if text.text:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _escape(text.text)[:_TEXT]}})
    if text.link:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{_escape(text.link)}|Open>"}})
    return {"text": _escape(text.title), "blocks": blocks}


def _escape(text: str) -> str:
    """Slack's control characters: no data can mention a user or make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
