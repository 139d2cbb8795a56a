"""What every user is likely to do: orders, leaving, spend, redemptions.

Models are fitted on a hashed sample of users as of earlier dates, whose next days are known. A regression and boosted
trees are compared on the last whole window; the regression wins ties. On dates without a fit (propensity.refit) the
stored models say what they say of the date. Where there is too little to learn from, all get the base rate.
From these predictions follow opportunities (carts left behind, missed categories, orders that are due), and from the
order days what each user is worth.
"""

from __future__ import annotations

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Metrics, Registry, Segments
from promo_spark.contracts.predictions import CustomerValue, FittedModels, ItemPropensity, Opportunities, Propensity
from promo_spark.contracts.silver import Campaigns, Contacts, Events, OrderLines, Redemptions, Users
from promo_spark.flows.propensity.inputs import catalogue_of_date, histories_of_date, sample_of_date
from promo_spark.flows.propensity.models import model_rows, models_of_date
from promo_spark.flows.propensity.outlooks import opportunities_of_date, values_of_date
from promo_spark.flows.propensity.scores import scored, scorer_of_date
from promo_spark.flows.registry import registry_rows
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.propensity import PropensitySettings


@job(
    reads=[OrderLines, ProductProfile],
    optional=[Users, Events, Campaigns, Contacts, Redemptions, Segments, ItemPropensity, Earlier(FittedModels)],
    writes=[Propensity, Opportunities, CustomerValue, FittedModels, Registry, Metrics],
    settings=PropensitySettings,
)
def run(ctx: Context[PropensitySettings]) -> None:
    catalogue = catalogue_of_date(ctx)
    histories = histories_of_date(ctx)
    sample = sample_of_date(ctx, histories, catalogue)
    of_date = models_of_date(ctx, sample)
    scorer = scorer_of_date(ctx, of_date.models, sample, catalogue)
    ctx.say("scoring users")
    ctx.write(Propensity, scored(histories, scorer))
    ctx.say("looking for opportunities, and what users are worth")
    ctx.write(Opportunities, opportunities_of_date(ctx, histories))
    ctx.write(CustomerValue, values_of_date(ctx, histories))
    ctx.write(FittedModels, model_rows(ctx.spark, of_date.models))
    ctx.write(Registry, registry_rows(ctx, *of_date.fits))
    ctx.metrics(figure_entries(of_date.figures))


if __name__ == "__main__":
    main(run)
