"""What users write about: the item, the service, the price, the delivery or the promotion."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.measurement import OverdueAnswers
from promo_spark.contracts.schema.personal import MASKS
from promo_spark.contracts.silver import Feedback
from promo_spark.measurement.kpis.rows import ALL, kpi_rows_of, kpi_struct
from promo_spark.measurement.kpis.satisfaction import has_text
from promo_spark.measures.ratios import ratio

OTHER: Final = "other"


def _words(*lines: str) -> list[str]:
    return [word.strip() for line in lines for word in line.split(",")]


# English words, `*` for any ending, and Chinese ones. The topic that is more particular comes first: it wins a tie.
KEYWORDS: Final[Mapping[str, Sequence[str]]] = {
    "promo": _words(
        "promo*, coupon*, voucher*, discount*, deal, deals, offer, offers, campaign*, redeem*, code, codes",
        "cashback, rebate*, points, gift*, giveaway*, bonus*, newsletter*, flash sale, black friday, spam*",
        "unsubscribe*",
        "优惠, 优惠券, 券, 代金券, 促销, 活动, 满减, 折扣, 打折, 红包, 赠品, 积分, 返现, 秒杀, 双十一, 双11",
        "抵扣, 折上折, 营销短信, 广告",
    ),
    "delivery": _words(
        "deliver*, shipp*, shipment*, courier*, parcel*, package, packages, arriv*, late, delay*, tracking",
        "driver*, dispatch*, postage, post office, postman, doorstep, in transit, logistics",
        "快递, 物流, 配送, 送货, 发货, 包裹, 送达, 到货, 运费, 签收, 驿站, 送到, 派送, 骑手, 快递员",
        "快递小哥, 送错, 延误, 丢件",
    ),
    "price": _words(
        "price*, pricing, pricey, overpriced, expensive, cheap*, cost, costs, costly, afford*, money, worth",
        "overcharg*, charged, fee, fees, bargain*, inflation, rip off, rip-off",
        "价格, 价钱, 定价, 标价, 涨价, 降价, 差价, 保价, 便宜, 太贵, 很贵, 偏贵, 好贵, 真贵, 贵了, 更贵",
        "性价比, 划算, 不值, 物有所值, 物美价廉, 实惠, 收费",
        "多收, 花钱",
    ),
    "service": _words(
        "service*, staff, support, agent*, cashier*, assistant*, employee*, manager*, clerk*, rude*",
        "polite*, helpful*, unhelpful, friendly, unfriendly, impolite, hotline, chat, chatbot*, phone",
        "phoned, call, called, calls, repl*, respon*, answer*, ignored, complain*, refund*, queue*, waiting",
        "checkout*, on hold",
        "客服, 服务, 态度, 售后, 店员, 导购, 收银, 营业员, 回复, 电话, 热线, 投诉, 退款, 退货, 排队, 耐心",
        "热情, 敷衍, 没人理, 不理人",
    ),
    "item": _words(
        "product*, item*, goods, quality, broke*, break*, defect*, fault*, damage*, tast*, flavour*",
        "flavor*, fresh*, stale, rotten, mould*, mold*, expire*, smell*, size*, fit, fits, colour*, color*",
        "material*, fabric*, leak*, battery, crack*, torn, scratch*, texture, ingredient*, worn",
        "stopped working, works, comfortable, counterfeit, fake",
        "质量, 品质, 商品, 产品, 东西, 尺寸, 尺码, 颜色, 色差, 味道, 口感, 新鲜, 变质, 过期, 保质期, 坏了",
        "坏的, 破了, 破损, 损坏, 瑕疵, 材质, 面料, 做工",
        "掉色, 异味, 正品, 假货, 漏, 好吃, 难吃, 好用, 不好用, 电池",
    ),
}
TOPICS: Final = (*KEYWORDS, OTHER)


def topic_of(text: Column) -> Column:
    """The topic that most words of the text belong to; of equally many the first in KEYWORDS; without any, `other`.

    Lists of words, and no model that was learnt: a shop has no labelled texts to learn from when it begins, a person
    can read why a text is where it is, and it is there on every date. They know no denial and no irony, which tell how
    users feel and not what about; how they feel, scores tell. Chinese is read in simplified characters.
    """
    lower = F.lower(F.regexp_replace(text, MASKS, " "))  # a telephone number that was left out is no topic
    hits = [F.regexp_count(lower, F.lit(_pattern(words))) for words in KEYWORDS.values()]
    counts = F.array(F.lit(0), *hits)  # of `other` 0: it is the first that has the most where there is no other
    most = F.array_position(counts, F.array_max(counts)).cast("int")
    return F.element_at(F.array(F.lit(OTHER), *[F.lit(topic) for topic in KEYWORDS]), most)


def topic_shares(feedback: DataFrame) -> DataFrame:
    """One row per topic: its share of the texts. Feedback → KpiRow."""
    told = (
        feedback.filter(has_text())
        .groupBy(topic_of(F.col(Feedback.text)).alias(_TOPIC))
        .agg(F.count("*").alias(_TEXTS))
    )
    of_topics = [F.sum(F.when(F.col(_TOPIC) == name, F.col(_TEXTS))).alias(name) for name in TOPICS]
    counts = told.agg(*of_topics, F.sum(_TEXTS).alias(_TEXTS))
    texts = F.col(_TEXTS)
    shares = [
        kpi_struct(
            "feedback_share",
            of=F.lit(f"topic:{name}"),
            value=ratio(F.coalesce(F.col(name), F.lit(0)), texts),
            n=texts,
        )
        for name in TOPICS
    ]
    return kpi_rows_of(counts, shares)


def overdue_answers(feedback: DataFrame, *, date: datetime.date, timezone: str, answer_days: int) -> DataFrame:
    """One row per text that nobody replied to within `answer_days`. Feedback of the month → OverdueAnswers, no date.

    What was replied to later, on the date or after, was still waiting when the date began. Without a single reply the
    shop does not say when it replies: then there is no row.
    """
    texts = feedback.filter(has_text())
    says = texts.agg(F.count(Feedback.answered_at).alias(_REPLIES)).filter(F.col(_REPLIES) > 0)
    waiting = texts.filter(_is_overdue(date, timezone, answer_days)).join(F.broadcast(says), how="left_semi")
    return waiting.select(
        Feedback.feedback_id,
        Feedback.promotion_id,
        topic_of(F.col(Feedback.text)).alias(OverdueAnswers.topic),
        Feedback.kind,
        Feedback.score,
        F.floor(_waited_days(date, timezone)).cast("bigint").alias(OverdueAnswers.waiting_days),
    )


def overdue_share(feedback: DataFrame, *, date: datetime.date, timezone: str, answer_days: int) -> DataFrame:
    """The share of the month's texts that are overdue, as above. Feedback of the month → KpiRow of one row."""
    counts = feedback.filter(has_text()).agg(
        F.count(F.lit(1)).alias(_TEXTS),
        F.count(Feedback.answered_at).alias(_REPLIES),
        F.count_if(_is_overdue(date, timezone, answer_days)).alias(_WAITING),
    )
    share = F.when(F.col(_REPLIES) > 0, ratio(F.col(_WAITING), F.col(_TEXTS)))
    return kpi_rows_of(counts, [kpi_struct("overdue_share", of=F.lit(ALL), value=share, n=F.col(_TEXTS))])


def _is_overdue(date: datetime.date, timezone: str, answer_days: int) -> Column:
    """Whether a text of Feedback had waited for more than `answer_days` when the date began, without a reply."""
    replied = F.coalesce(F.col(Feedback.answered_at) < _begin(date, timezone), F.lit(False))
    return ~replied & (_waited_days(date, timezone) > answer_days)


def _waited_days(date: datetime.date, timezone: str) -> Column:
    return (F.unix_timestamp(_begin(date, timezone)) - F.unix_timestamp(Feedback.ts)) / _SECONDS_OF_DAY


def _begin(date: datetime.date, timezone: str) -> Column:
    return F.to_utc_timestamp(F.lit(f"{date} 00:00:00").cast("timestamp"), timezone)


_TOPIC, _TEXTS, _REPLIES, _WAITING, _SECONDS_OF_DAY = "topic", "texts", "replies", "waiting", 86_400


def _pattern(words: Sequence[str]) -> str:
    """What finds the words in a text of lower case. English ones stand alone, also beside Chinese characters.

    >>> [bool(re.search(_pattern(["fit", "price*", "券"]), text)) for text in ("a fit", "benefit", "prices", "领券了")]
    [True, False, True, True]
    """
    longest_first = sorted(words, key=lambda word: (-len(word), word))  # a phrase is one hit, not one for each part
    latin = [re.escape(word[:-1]) + "[a-z]*" if word.endswith("*") else re.escape(word) for word in longest_first]
    english = [pattern for word, pattern in zip(longest_first, latin, strict=True) if word.isascii()]
    chinese = [re.escape(word) for word in longest_first if not word.isascii()]
    return f"(?<![a-z])(?:{'|'.join(english)})(?![a-z])|{'|'.join(chinese)}"
