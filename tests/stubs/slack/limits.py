"""Every size, count and rate the Slack stub holds callers to. All can be changed through its control."""

from pydantic import BaseModel, ConfigDict


class Limits(BaseModel):
    """What Slack refuses, or will not take faster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # https://api.slack.com/methods/chat.postMessage (40,000 characters; refused here, cut by Slack in some cases)
    text: int = 40_000
    # https://api.slack.com/reference/block-kit/blocks
    blocks_per_message: int = 50
    blocks_per_view: int = 100
    block_id: int = 255
    # https://github.com/slackapi/bolt-js/issues/2867: no documented sum; 9,597 went through and 11,341 did not
    blocks_text: int = 10_000
    # https://docs.slack.dev/reference/block-kit/blocks/section-block
    section_text: int = 3_000
    section_fields: int = 10
    section_field: int = 2_000
    # https://docs.slack.dev/reference/block-kit/blocks/header-block
    header_text: int = 150
    # https://docs.slack.dev/reference/block-kit/blocks/context-block
    context_elements: int = 10
    # https://docs.slack.dev/reference/block-kit/blocks/actions-block
    actions_elements: int = 25
    # https://docs.slack.dev/reference/block-kit/blocks/markdown-block (all markdown blocks of a payload together)
    markdown_text: int = 12_000
    # https://docs.slack.dev/reference/block-kit/blocks/image-block
    image_url: int = 3_000
    alt_text: int = 2_000
    image_title: int = 2_000
    # https://docs.slack.dev/reference/block-kit/blocks/input-block
    input_label: int = 2_000
    input_hint: int = 2_000
    # https://docs.slack.dev/reference/block-kit/block-elements/button-element
    button_text: int = 75
    button_value: int = 2_000
    button_url: int = 3_000
    action_id: int = 255
    # https://docs.slack.dev/reference/block-kit/block-elements/overflow-menu-element
    overflow_options: int = 5
    # https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element
    select_options: int = 100
    placeholder: int = 150
    # https://docs.slack.dev/reference/block-kit/block-elements/checkboxes-element
    choices: int = 10
    # https://docs.slack.dev/reference/block-kit/composition-objects/option-object
    option_text: int = 75
    option_value: int = 150
    option_description: int = 75
    # https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object
    confirm_title: int = 100
    confirm_text: int = 300
    confirm_button: int = 30
    # https://docs.slack.dev/reference/block-kit/composition-objects/text-object
    text_object: int = 3_000
    # https://docs.slack.dev/reference/views/modal-views
    view_title: int = 24
    private_metadata: int = 3_000
    callback_id: int = 255

    # https://api.slack.com/apis/rate-limits
    rates: bool = True
    post_burst: int = 4
    post_every_s: float = 1.0
    tier_1_a_minute: int = 20  # documented as 1 and more, with bursts; reconnecting needs a few
    tier_2_a_minute: int = 20
    tier_3_a_minute: int = 50
    tier_4_a_minute: int = 100

    # https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
    ack_s: float = 3.0
    # https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
    response_url_uses: int = 5
    response_url_s: float = 30 * 60
    # https://docs.slack.dev/surfaces/modals#opening_modals
    trigger_s: float = 3.0
    # https://docs.slack.dev/apis/events-api/#retries (nearly at once, after one minute, after five)
    event_retries_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    # https://docs.slack.dev/apis/events-api/using-socket-mode#connections
    sockets: int = 10
    # https://docs.slack.dev/apis/events-api/using-socket-mode#disconnect
    disconnect_grace_s: float = 1.0
