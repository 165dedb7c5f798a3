"""For those who make models: train, calibrate, evaluate, benchmark. Commands, and what stands behind each:

train                 recipe, task (chest, head, retina), cohort, units; variants, augment, bleeds, starting_weights;
                      fit, whole (losses, optimisers), cross_validation; scaling, judge; outside, shut_out;
                      confirm (by evaluate), card; run_folder, watch
pretrain, few_shot    the same first steps as train
volumes               whole and cross_validation with networks for volumes; no bundle comes of it
compare               answers of finished runs
calibrate             answers of a finished run; scaling, plots
operating_points      answers of a finished run
export                runtimes, monai_check, whole_folder
import                take_in_model, foreign, foreign_bundle, input_range
evaluate              manifest, studies, wrapped, outcomes, assess, robustness, plots, evaluation_report; metrics
adopt                 what evaluate left, for a bundle that was imported; judge
benchmark             textbook, encode, in_turn, series_times, page_list, page_image, page_upload
"""
